package main_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// binary is the command, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gatehouse-cmd-")
	if err == nil {
		binary = filepath.Join(dir, "gatehouse")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := dbtest.Main(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

// place is a service's database with what the service has, on which the command is run.
type place struct {
	t       *testing.T
	dialect sqlstore.Dialect
	driver  string
	dsn     string
	url     string // without a password
	env     []string
	db      *sql.DB
	store   *sqlstore.Store
	keys    *keyring.Ring
	dir     string
	log     string // of events
	mu      sync.Mutex
	said    strings.Builder // by the command, in all runs
}

// each runs a test on a new database of each kind, without tables.
func eachEmpty(t *testing.T, test func(t *testing.T, p *place)) {
	for name, of := range map[string]func(*testing.T) *place{"postgres": onPostgres, "mysql": onMySQL, "sqlite": onSQLite} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, of(t))
		})
	}
}

// each is eachEmpty with tables.
func each(t *testing.T, test func(t *testing.T, p *place)) {
	eachEmpty(t, func(t *testing.T, p *place) {
		require.NoError(t, p.store.Migrate(t.Context()))
		test(t, p)
	})
}

func onPostgres(t *testing.T) *place {
	s := dbtest.Postgres(t)
	dsn := s.Database(t)
	return newPlace(t, sqlstore.PostgreSQL, s.Driver(), dsn, dsn)
}

func onMySQL(t *testing.T) *place {
	s := dbtest.MySQL(t)
	dsn := s.Database(t)
	c, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	user := c.User
	if c.Passwd != "" {
		user += ":" + c.Passwd
	}
	return newPlace(t, sqlstore.MySQL, s.Driver(), dsn, "mysql://"+user+"@"+c.Addr+"/"+c.DBName)
}

func onSQLite(t *testing.T) *place {
	dsn := dbtest.SQLite(t)
	path, _, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
	return newPlace(t, sqlstore.SQLite, "sqlite3", dsn, "sqlite:"+path)
}

// read opens the command's sources, as go test takes a result from its cache unless a file that a test has opened has
// changed, and these tests do not link the command.
var read = sync.OnceValue(func() error {
	names, err := filepath.Glob("*.go")
	for _, name := range append(names, "go.mod") {
		if _, failed := os.ReadFile(name); failed != nil {
			err = failed
		}
	}
	return err
})

func newPlace(t *testing.T, d sqlstore.Dialect, driver, dsn, url string) *place {
	t.Helper()
	require.NoError(t, read())
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	store, err := sqlstore.New(db, d, sqlstore.Options{Timeout: time.Minute})
	require.NoError(t, err)
	p := &place{t: t, dialect: d, driver: driver, dsn: dsn, url: url, db: db, store: store, keys: keyring.Generate(), dir: t.TempDir()}
	p.log = filepath.Join(p.dir, "events.log")
	p.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TERM=xterm", "GATEHOUSE_DB=" + url, "GATEHOUSE_OPERATOR=ada", "GATEHOUSE_BRAND=acme"}
	t.Cleanup(func() {
		if p.keys == nil {
			return
		}
		_, key, _ := strings.Cut(p.keys.Reveal(), ":")
		require.NotContains(t, p.said.String(), strings.TrimSpace(key), "a key was printed")
	})
	return p
}

// service is what the host has: a Service, and its tokens.
type service struct {
	*gatehouse.Service
	tokens *tokens.Service
}

// service is the host's, with keys of which the first seals, at a time that is some way off.
func (p *place) service(keys *keyring.Ring, off time.Duration) service {
	p.t.Helper()
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "logs:read", Description: "read"})
	require.NoError(p.t, err)
	svc, err := gatehouse.New(p.store, gatehouse.Config{
		Issuer: "Acme", Keys: keys, Recovery: gatehousetest.CheapRecovery(),
		Now: func() time.Time { return time.Now().Add(off) },
	})
	require.NoError(p.t, err)
	tok, err := tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: registry})
	require.NoError(p.t, err)
	return service{svc, tok}
}

// owner is somebody with an authenticator.
type owner struct {
	svc     service
	id      string
	app     *gatehousetest.Authenticator
	codes   recovery.Codes
	session gatehouse.Session // with the proof of the enrollment
}

// enroll gives an account a second factor two minutes ago, so that a code is fresh.
func (p *place) enroll(id string) *owner {
	p.t.Helper()
	ctx, off := p.t.Context(), -2*time.Minute
	then := p.service(p.keys, off)
	try, err := then.Before(ctx, id)
	require.NoError(p.t, err)
	in := gatehouse.Session{Account: id}
	in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd", At: time.Now().Add(off)})
	require.NoError(p.t, err)
	face := then.Owner(in)
	enr, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada", Name: "Phone"})
	require.NoError(p.t, err)
	o := &owner{svc: p.service(p.keys, 0), id: id, codes: enr.RecoveryCodes, session: gatehouse.Session{Account: id}}
	o.app, err = gatehousetest.Scan(enr.URI())
	require.NoError(p.t, err)
	o.session.Proof, err = face.ConfirmEnrollment(ctx, enr.ID, o.app.Code(time.Now().Add(off)))
	require.NoError(p.t, err)
	return o
}

// challenge returns the text of a new challenge.
func (o *owner) challenge() (string, error) {
	try, err := o.svc.Before(context.Background(), o.id)
	if err != nil {
		return "", err
	}
	ch, err := try.Challenge(context.Background())
	return ch.Token.Reveal(), err
}

// signIn answers a new challenge.
func (o *owner) signIn(code string) error {
	challenge, err := o.challenge()
	if err != nil {
		return err
	}
	_, err = o.svc.Answer(context.Background(), gatehouse.Session{}, challenge, code)
	return err
}

func (o *owner) mint(t *testing.T, name string) (text, id string) {
	t.Helper()
	m, err := o.svc.tokens.Mint(t.Context(), o.session, tokens.Request{Name: name, Scopes: tokens.Scopes{"logs:read"}})
	require.NoError(t, err)
	return m.Token.Reveal(), m.Info.ID
}

// ran is what a run of the command has come to.
type ran struct {
	code      int
	out, errs string
}

func (p *place) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Dir = p.env, p.dir
	return cmd
}

func (p *place) run(args ...string) ran { return p.feed("", args...) }

// feed runs the command with a standard input.
func (p *place) feed(in string, args ...string) ran {
	p.t.Helper()
	cmd := p.command(args...)
	cmd.Stdin = strings.NewReader(in)
	return p.finish(cmd)
}

func (p *place) finish(cmd *exec.Cmd) ran {
	p.t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said.WriteString(out.String() + errs.String())
	return ran{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// ok runs the command, which has to succeed, and returns what it prints.
func (p *place) ok(args ...string) string {
	p.t.Helper()
	r := p.run(args...)
	require.Zero(p.t, r.code, "%v: %s", args, r.errs)
	return r.out
}

// document runs the command with -json, and reads what it prints.
func document[T any](p *place, args ...string) (v T) {
	p.t.Helper()
	d := json.NewDecoder(strings.NewReader(p.ok(append(args, "-json")...)))
	d.DisallowUnknownFields()
	require.NoError(p.t, d.Decode(&v))
	return v
}

// keysFile writes keys where only their owner can read them.
func (p *place) keysFile(rings ...*keyring.Ring) string {
	p.t.Helper()
	text := ""
	for _, r := range rings {
		text += r.Reveal() + "\n"
	}
	path := filepath.Join(p.dir, "gatehouse.keys")
	require.NoError(p.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
