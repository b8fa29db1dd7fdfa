// Package crash_test kills servers and processes in the middle of sign-ins, and lets several
// processes race on one database.
package crash_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/totp"
)

// childVariable holds the task of a process that is a child of the tests.
const childVariable = "GATEHOUSE_CRASH_TASK"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := runChild(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(dbtest.Main(m))
}

// place is where a service keeps its accounts.
type place struct {
	Dialect     sqlstore.Dialect
	Driver, DSN string
	Keys        string
}

// task is what a child is to do.
type task struct {
	Place    place
	Do       string // "sign in" until killed, "race" once told, "reseal" or "notices"
	Accounts []account
	Step     int64 // where the clock starts
	Code     string
	Times    int // how many calls to make at once, or after how many accounts to wait
}

// account is what its owner has.
type account struct {
	ID     string
	Secret string
	Codes  []string
}

// serializable has all connections run at that isolation.
func (p *place) serializable(t *testing.T) {
	t.Helper()
	setting := "default_transaction_isolation=serializable"
	if p.Dialect == sqlstore.MySQL {
		db, err := p.open()
		require.NoError(t, err)
		defer db.Close()
		var version string
		require.NoError(t, db.QueryRow("SELECT VERSION()").Scan(&version))
		setting = "transaction_isolation=%27SERIALIZABLE%27"
		if strings.Contains(version, "MariaDB") {
			setting = "tx_isolation=%27SERIALIZABLE%27"
		}
	}
	if strings.Contains(p.DSN, "?") {
		p.DSN += "&" + setting
	} else {
		p.DSN += "?" + setting
	}
}

func (p place) open() (*sql.DB, error) {
	db, err := sql.Open(p.Driver, p.DSN)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	return db, nil
}

// service returns a service at a clock that stands at step.
func (p place) service(step *atomic.Int64) (*gatehouse.Service, *sqlstore.Store, error) {
	db, err := p.open()
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.New(db, p.Dialect, sqlstore.Options{Timeout: 30 * time.Second})
	if err != nil {
		return nil, nil, err
	}
	keys, err := keyring.Parse(p.Keys)
	if err != nil {
		return nil, nil, err
	}
	svc, err := gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: keys, Recovery: gatehousetest.CheapRecovery(),
		Now: func() time.Time { return time.Unix(step.Load()*30, 0) },
	})
	return svc, store, err
}

func (a account) code(step int64) string {
	secret, err := totp.ParseSecret(a.Secret)
	if err != nil {
		panic(err)
	}
	code, err := totp.Key{Secret: secret}.Code(step)
	if err != nil {
		panic(err)
	}
	return code
}

func runChild(text string) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	var step atomic.Int64
	step.Store(t.Step)
	svc, _, err := t.Place.service(&step)
	if err != nil {
		return err
	}
	switch t.Do {
	case "race":
		return t.race(svc)
	case "reseal":
		return t.reseal(svc)
	case "notices":
		return t.notices()
	}
	return t.signIn(svc, &step)
}

var printing sync.Mutex

// say writes a line, which the parent has even if this process is killed right after.
func say(words ...any) {
	printing.Lock()
	defer printing.Unlock()
	fmt.Fprintln(os.Stdout, words...)
}

// signIn steps all accounts up, with one code a step, and every tenth step with a recovery code. It
// says "ok" only after the service has.
func (t task) signIn(svc *gatehouse.Service, clock *atomic.Int64) error {
	ctx := context.Background()
	for step := t.Step; ; step++ {
		clock.Store(step)
		var wg sync.WaitGroup
		for n, a := range t.Accounts {
			wg.Go(func() {
				for again := range int64(2) { // the step before as well, which must be used up or refused
					tried := step - 1 + again
					if _, err := svc.StepUp(ctx, gatehouse.Session{Account: a.ID}, a.code(tried)); err == nil {
						say("ok", n, "totp", tried)
					}
				}
				if step%10 == 0 && len(a.Codes) > 0 {
					i := int(step/10) % len(a.Codes)
					if _, err := svc.StepUp(ctx, gatehouse.Session{Account: a.ID}, a.Codes[i]); err == nil {
						say("ok", n, "code", i)
					}
				}
			})
		}
		wg.Wait()
		say("step", step)
	}
}

// race waits for a line, makes its calls at once, and says how many were accepted and how many
// denied.
func (t task) race(svc *gatehouse.Service) error {
	ctx := context.Background()
	say("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil && err != io.EOF {
		return err
	}
	var wg sync.WaitGroup
	var accepted, denied, faults atomic.Int64
	var first atomic.Value
	for range t.Times {
		wg.Go(func() {
			switch _, err := svc.StepUp(ctx, gatehouse.Session{Account: t.Accounts[0].ID}, t.Code); {
			case err == nil:
				accepted.Add(1)
			case errors.Is(err, gatehouse.ErrDenied):
				denied.Add(1)
			default:
				faults.Add(1)
				first.CompareAndSwap(nil, err.Error())
			}
		})
	}
	wg.Wait()
	say("done", accepted.Load(), denied.Load(), faults.Load(), first.Load())
	return nil
}

// child is such a process.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

func start(t *testing.T, work task) *child {
	t.Helper()
	text, err := json.Marshal(work)
	require.NoError(t, err)
	c := &child{t: t, cmd: exec.Command(os.Args[0], "-test.run=^$")}
	c.cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	c.cmd.Stderr = os.Stderr
	c.in, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.lines = bufio.NewScanner(out)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { _ = c.cmd.Process.Kill(); _ = c.cmd.Wait() })
	return c
}

// setUp makes accounts with a second factor in a new database.
func setUp(t *testing.T, p place, accounts int) (made []account, step int64) {
	t.Helper()
	ctx := context.Background()
	var clock atomic.Int64
	clock.Store(60_000_000)
	svc, store, err := p.service(&clock)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(ctx))
	for i := range accounts {
		id := "user-" + strconv.Itoa(i)
		in := gatehouse.Session{Account: id}
		try, err := svc.Before(ctx, id)
		require.NoError(t, err)
		in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd", At: time.Unix(clock.Load()*30, 0)})
		require.NoError(t, err)
		owner := svc.Owner(in)
		enr, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: id})
		require.NoError(t, err)
		a := account{ID: id, Secret: enr.Secret.Reveal(), Codes: reveal(enr.RecoveryCodes)}
		_, err = owner.ConfirmEnrollment(ctx, enr.ID, a.code(clock.Load()))
		require.NoError(t, err)
		made = append(made, a)
	}
	return made, clock.Load() + 1
}

func reveal(codes recovery.Codes) (texts []string) {
	for _, c := range codes {
		texts = append(texts, c.Reveal())
	}
	return texts
}

// each runs a test on a new database of each kind.
func each(t *testing.T, test func(t *testing.T, p place, s *dbtest.Server)) {
	keys := keyring.Generate().Reveal()
	t.Run("postgres", func(t *testing.T) {
		s := dbtest.Postgres(t)
		test(t, place{Dialect: sqlstore.PostgreSQL, Driver: s.Driver(), DSN: s.Database(t), Keys: keys}, s)
	})
	t.Run("mysql", func(t *testing.T) {
		s := dbtest.MySQL(t)
		test(t, place{Dialect: sqlstore.MySQL, Driver: s.Driver(), DSN: s.Database(t), Keys: keys}, s)
	})
	t.Run("sqlite", func(t *testing.T) {
		test(t, place{Dialect: sqlstore.SQLite, Driver: "sqlite3", DSN: dbtest.SQLite(t), Keys: keys}, nil)
	})
}
