package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "check database, clock, keys and settings; exit status 1 if something is wrong",
		Description: `A line each: ok, WARN for what deserves a look, FAIL for what is wrong. Warnings leave the exit status 0.
With -keys or GATEHOUSE_KEYS it compares the keys in use with those of the service. It changes nothing, but for a row
that belongs to nobody: it writes it through one connection, reads it through another, and removes it.
With -rp-id and -origin it says where browsers would not offer the service's passkeys.` + examples(
			"gatehouse doctor", "gatehouse doctor -keys gatehouse.keys -json",
			"gatehouse doctor -rp-id acme.test -origin https://acme.test -origin https://login.acme.test"),
		Flags:  append([]cli.Flag{keysFlag(), noticesFlag()}, passkeyFlags()...),
		Action: doctor,
	}
}

// finding is one check of doctor, and its JSON.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"` // ok, warn or fail
	Text  string `json:"text"`
}

// examination is one run of doctor.
type examination struct {
	*database
	store    *sqlstore.Store
	c        *cli.Command
	findings []finding
}

func (x *examination) ok(check, format string, args ...any)   { x.say(check, "ok", format, args...) }
func (x *examination) warn(check, format string, args ...any) { x.say(check, "warn", format, args...) }
func (x *examination) fail(check, format string, args ...any) { x.say(check, "fail", format, args...) }

func (x *examination) say(check, state, format string, args ...any) {
	x.findings = append(x.findings, finding{check, state, oneLine(fmt.Sprintf(format, args...))})
}

func doctor(ctx context.Context, c *cli.Command) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	if (c.String("rp-id") == "") != (len(c.StringSlice("origin")) == 0) {
		return usagef("-rp-id and -origin go together")
	}
	db, err := parseDatabase(c, false)
	if err != nil {
		return err
	}
	defer db.Close()
	x := &examination{database: db, c: c}
	if x.store, err = db.connect(ctx); err != nil {
		return err
	}
	x.within(ctx, x.connection)
	x.within(ctx, x.clock)
	warnings, err := x.store.Warnings(ctx)
	var setup *sqlstore.SetupError
	switch {
	case errors.As(err, &setup) && setup.Kind == sqlstore.WrongSetting:
		x.fail("settings", "%v", db.explain(ctx, err))
	case err != nil:
		x.fail("tables", "%v", db.explain(ctx, err))
	default:
		x.within(ctx, func(ctx context.Context) { x.tables(ctx, warnings) })
		x.within(ctx, x.rows)
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	return x.report()
}

// within bounds a check: a table that somebody has locked must not keep the others from being told.
func (x *examination) within(ctx context.Context, check func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	check(ctx)
}

const checkTimeout = 15 * time.Second

func (x *examination) report() error {
	failed := slices.ContainsFunc(x.findings, func(f finding) bool { return f.State == "fail" })
	if x.c.Bool("json") {
		if err := printJSON(x.c, struct {
			OK     bool      `json:"ok"`
			Checks []finding `json:"checks"`
		}{!failed, x.findings}); err != nil {
			return err
		}
	} else {
		t := table(x.c.Root().Writer)
		for _, f := range x.findings {
			state := f.State
			if state != "ok" {
				state = strings.ToUpper(state)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", state, f.Check, f.Text)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if failed {
		return errors.New("something is wrong: see the lines that begin with FAIL")
	}
	return nil
}

// connection looks at who answers, and whether others can listen.
func (x *examination) connection(ctx context.Context) {
	server, err := x.store.Server(ctx)
	if err != nil {
		x.fail("connection", "%v", x.explain(ctx, err))
		return
	}
	x.ok("connection", "%s at %s", server.Version, x.address)
	if x.dialect == sqlstore.SQLite {
		x.file()
		return
	}
	switch {
	case server.Encrypted == nil:
		x.warn("encryption", "it cannot be found out whether the connection is encrypted")
	case *server.Encrypted:
		x.ok("encryption", "the connection is encrypted")
	case x.local:
		x.ok("encryption", "the connection is not encrypted, and does not leave this machine")
	default:
		x.warn("encryption", "the connection is not encrypted: whoever is on the way can read and change what it carries")
	}
	switch {
	case server.ReadOnly == nil:
		x.warn("writable", "it cannot be found out whether the server takes writes")
	case *server.ReadOnly:
		x.fail("writable", "the server is a replica or read only: every sign-in has to be saved, and loads have to see every save")
	default:
		x.ok("writable", "the server takes writes")
	}
	if server.Revoke != "" {
		x.fail("rights", "every user of the database may write to the accounts, and so turn second factors off: %s", server.Revoke)
	}
}

// file looks at who may read and write the file of SQLite.
func (x *examination) file() {
	if runtime.GOOS == "windows" {
		return
	}
	mode := fs.FileMode(0)
	for _, beside := range []string{"", "-wal", "-shm"} { // what the log has is in the database soon
		if info, err := os.Stat(x.address + beside); err == nil {
			mode |= info.Mode().Perm()
		}
	}
	switch {
	case mode&0o022 != 0:
		x.fail("file", "it, or what SQLite keeps beside it, has mode %04o: whoever may write to it can turn second factors off; give it 0600", mode)
	case mode&0o044 != 0:
		x.warn("file", "it, or what SQLite keeps beside it, has mode %04o: group or others may read it; give it 0600", mode)
	default:
		x.ok("file", "nobody but its owner may read or write it")
	}
}

const (
	clockSamples = 5
	clockOff     = 2 * time.Second
)

// clock compares the database's with this machine's, by the quickest of some answers.
func (x *examination) clock(ctx context.Context) {
	best, off := time.Duration(-1), time.Duration(0)
	for range clockSamples {
		asked := time.Now()
		there, err := x.store.Clock(ctx)
		if err != nil {
			x.warn("clock", "the database does not tell its time: %v", x.explain(ctx, err))
			return
		}
		took := time.Since(asked)
		if best < 0 || took < best {
			best = took
			off = there.Sub(asked.Add(took / 2))
		}
	}
	by := off.Abs().Round(time.Millisecond)
	if off.Abs() > clockOff+best {
		x.warn("clock", "the database's and this machine's differ by %v: one of them is wrong, and a service with a wrong clock refuses codes or takes old ones", by)
		return
	}
	x.ok("clock", "the database's and this machine's differ by %v", by)
}

// tables looks whether tables and settings are as the store needs them. What the store warns of is told once.
func (x *examination) tables(ctx context.Context, warnings []string) {
	version, err := x.store.Version(ctx)
	if err == nil {
		x.ok("tables", "version %d", version)
		err = x.store.Validate(ctx)
	}
	if err == nil {
		x.ok("settings", "columns, indexes and settings are as they must be")
	} else {
		x.fail("settings", "%v", x.explain(ctx, err))
	}
	var setup *sqlstore.SetupError
	for _, warning := range warnings {
		if !errors.As(err, &setup) || setup.Problem != warning {
			x.warn("settings", "%s", warning)
		}
	}
	if x.dialect == sqlstore.SQLite {
		x.ok("synchronous", "it is set for each connection: see that the service's DSN has synchronous(full)")
	}
}

// rows looks at what the accounts' rows say without being opened.
func (x *examination) rows(ctx context.Context) {
	stats, err := x.store.Stats(ctx)
	if err != nil {
		x.fail("accounts", "%v", x.explain(ctx, err))
		return
	}
	x.keys(stats.Keys)
	x.ok("accounts", "%d, of them %d without a second factor, %d locked now, %d disabled until unlocked, %d suspended",
		stats.Accounts, stats.Bare, stats.Locked, stats.Disabled, stats.Suspended)
	x.passkeys(stats)
	x.notices(ctx)
}

const (
	noticesPage = 200       // accounts read at once
	noticesLate = time.Hour // a wait to be asked about
)

// notices looks at whether owners are told what they must be, and whether that is behind.
func (x *examination) notices(ctx context.Context) {
	waiting, oldest, after := 0, time.Time{}, ""
	for more := true; more; {
		page, err := x.store.UnsentAccounts(ctx, after, noticesPage)
		if err != nil {
			x.fail("notices", "%v", x.explain(ctx, err))
			return
		}
		for _, r := range page.Records {
			if after = r.ID; oldest.IsZero() || r.Index.Unsent.Before(oldest) {
				oldest = r.Index.Unsent
			}
			waiting++
		}
		more = page.More
	}
	switch {
	case waiting > 0 && time.Since(oldest) > noticesLate:
		x.warn("notices", "%s to be told since %s: is notify.Service.Drain running, and does its sink work?", waits(waiting), at(oldest))
	case !x.c.Bool("notices"):
		x.warn("notices", "off, unless the service sets Config.Notices: then owners are told of no change (NIST SP 800-63B-4, 4.6). Give -notices or set GATEHOUSE_NOTICES where it is on")
	default:
		x.ok("notices", "on; %s to be told", waits(waiting))
	}
}

// waits returns "1 account waits" or "2 accounts wait".
func waits(n int) string {
	if n == 1 {
		return "1 account waits"
	}
	return counted(n, "account") + " wait"
}

// keys compares the keys in use, and how many accounts each seals secrets of, with the service's.
func (x *examination) keys(used map[string]int) {
	ring, err := ringOf(x.c)
	switch {
	case errors.Is(err, errNoKeys) && len(used) == 0:
		x.ok("keys", "none is in use")
		return
	case errors.Is(err, errNoKeys):
		x.warn("keys", "in use: %s; give -keys or set GATEHOUSE_KEYS to compare", list(used))
		return
	case err != nil:
		x.fail("keys", "%v", err)
		return
	}
	names := keyNames(ring)
	lost, old := map[string]int{}, map[string]int{}
	for name, n := range used {
		if !slices.Contains(names, name) {
			lost[name] = n
		} else if name != names[0] {
			old[name] = n
		}
	}
	switch {
	case len(lost) > 0:
		x.fail("keys", "in use, and not among those given: %s; their authenticators deny every code", list(lost))
	case len(old) > 0:
		x.warn("keys", "still under an older key: %s; run gatehouse reseal", list(old))
	case len(used) == 0:
		x.ok("keys", "none is in use; the primary one is %s", names[0])
	default:
		x.ok("keys", "every secret is under the primary one, %s", names[0])
	}
}

// list returns "2025-10 (3 accounts), 2026-10 (1 account)".
func list(used map[string]int) string {
	var parts []string
	for name, n := range used {
		parts = append(parts, fmt.Sprintf("%s (%s)", shown(name), counted(n, "account")))
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
