package main_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/totp"
)

func onMigratedSQLite(t *testing.T) *place {
	p := onSQLite(t)
	require.NoError(t, p.store.Migrate(t.Context()))
	return p
}

// Tokens that were revoked before a fault are named, also where all stand in one line.
func TestLeakedNamesWhatItRevoked(t *testing.T) {
	p := onMigratedSQLite(t)
	o := p.enroll("user-42")
	one, id1 := o.mint(t, "one")
	two, id2 := o.mint(t, "two")
	_, err := p.db.Exec("CREATE TRIGGER t BEFORE UPDATE ON gatehouse_tokens WHEN NEW.id = '" + id2 + "' BEGIN SELECT RAISE(ABORT, 'trouble'); END")
	require.NoError(t, err)
	r := p.feed(`[{"token":"`+one+`"},{"token":"`+two+`"}]`, "leaked")
	require.Equal(t, 1, r.code)
	_, err = p.db.Exec("DROP TRIGGER t")
	require.NoError(t, err)
	again := p.feed(one+" "+two, "leaked")
	require.Contains(t, again.out, id2)
	require.Contains(t, r.out+again.out, id1, "revoked, and named in neither run")
	require.Contains(t, r.errs, "1 token revoked")
}

// SIGINT ends a leaked that waits for its input.
func TestLeakedEndsBySIGINT(t *testing.T) {
	p := onMigratedSQLite(t)
	cmd, in := p.reading("leaked")
	defer in.Close()
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	select {
	case <-ended:
		require.Equal(t, 1, cmd.ProcessState.ExitCode())
	case <-time.After(5 * time.Minute): // for one that goes on for ever
		cmd.Process.Kill()
		t.Error("it goes on")
	}
}

// reading starts a command, and returns when it has read from its standard input.
func (p *place) reading(args ...string) (cmd *exec.Cmd, in *os.File) {
	p.t.Helper()
	cmd = p.command(args...)
	r, in, err := os.Pipe()
	require.NoError(p.t, err)
	cmd.Stdin = r
	require.NoError(p.t, cmd.Start())
	p.t.Cleanup(func() { _ = cmd.Process.Kill() })
	r.Close()
	_, err = in.WriteString(strings.Repeat("nothing\n", 1<<17)) // more than a pipe takes
	require.NoError(p.t, err)
	return cmd, in
}

// What a fleet says to go on with leaves out nobody who is not in the output.
func TestFleetOnAFullDisk(t *testing.T) {
	p := onMigratedSQLite(t)
	p.accounts(200)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	cmd := p.command("fleet", "-json")
	cmd.Stdout = full
	var errs strings.Builder
	cmd.Stderr = &errs
	_ = cmd.Run()
	require.Equal(t, 1, cmd.ProcessState.ExitCode())
	require.NotContains(t, errs.String(), "-after", "nothing has been written, so all of it is left to do")
}

// Where the code cannot be printed, the command says that the reset is done and what to do.
func TestResetSaysThatItsCodeIsLost(t *testing.T) {
	p := onMigratedSQLite(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	reader, gone, err := os.Pipe()
	require.NoError(t, err)
	defer gone.Close()
	reader.Close()
	for to, out := range map[string]*os.File{"a full disk": full, "a reader that is gone": gone} {
		for _, how := range []string{"-json=false", "-json"} {
			id := to + how
			p.enroll(id)
			cmd := p.command("reset", id, "-reason", "x", how)
			var errs strings.Builder
			cmd.Stdout, cmd.Stderr = out, &errs
			require.Error(t, cmd.Run(), id)
			require.Regexp(t, `gatehouse: .*reset .*again`, errs.String(), id)
			require.Equal(t, 1, cmd.ProcessState.ExitCode(), id)
		}
	}
}

// A password in an argument is refused also where the environment has the same URL.
func TestPasswordInArgumentAndEnvironment(t *testing.T) {
	p := onMigratedSQLite(t)
	url := "postgres://u:" + canary + "@127.0.0.1:1/x"
	r := p.with(url).run("-db", url, "status", "u")
	require.Contains(t, r.errs, "-db has a password")
	require.Equal(t, 2, r.code)
}

// status and doctor change nothing: the file's journal mode is the service's choice.
func TestLookingDoesNotChangeTheFile(t *testing.T) {
	p := onMigratedSQLite(t)
	p.enroll("user-42")
	_, err := p.db.Exec("PRAGMA journal_mode = delete")
	require.NoError(t, err)
	require.NoError(t, p.db.Close())
	path := strings.TrimPrefix(p.url, "sqlite:")
	for _, args := range [][]string{{"status", "user-42"}, {"doctor"}, {"migrate", "status"}} {
		p.ok(args...)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, []byte{1, 1}, text[18:20], "%v: the header says WAL", args)
	}
}

// Without being told the window, after-restore uses up what the widest one can have accepted.
func TestAfterRestoreWideWindow(t *testing.T) {
	p := onMigratedSQLite(t)
	o := p.enroll("user-42")
	backup, err := p.store.LoadAccount(t.Context(), o.id)
	require.NoError(t, err)
	o.svc.Service, err = gatehouse.New(p.store, gatehouse.Config{Issuer: "Acme", Keys: p.keys, Window: &totp.Window{Past: 2, Ahead: 2}})
	require.NoError(t, err)
	use := func() (err error) {
		for _, s := range []int{1, 2} { // a phone whose clock is fast
			err = o.signIn(o.app.Code(time.Now().Add(time.Duration(s) * totp.Period)))
		}
		return err
	}
	last := o.app.Code(time.Now().Add(2 * totp.Period))
	require.NoError(t, use())
	require.NoError(t, p.store.DeleteAccount(t.Context(), o.id))
	require.NoError(t, p.store.SaveAccount(t.Context(), backup, 0))
	p.ok("after-restore")
	// Replayed by whoever saw it, a step or so later, when it falls into the window.
	o.svc.Service, err = gatehouse.New(p.store, gatehouse.Config{Issuer: "Acme", Keys: p.keys, Window: &totp.Window{Past: 2, Ahead: 2},
		Now: func() time.Time { return time.Now().Add(totp.Period) }})
	require.NoError(t, err)
	require.ErrorIs(t, o.signIn(last), gatehouse.ErrDenied, "it was accepted before the restore")
}

// Keys that cannot be read do not keep an operator from suspending somebody.
func TestBadKeysDoNotMatterToSuspend(t *testing.T) {
	p := onMigratedSQLite(t)
	p.env = append(p.env, "GATEHOUSE_KEYS=garbage")
	require.Equal(t, 0, p.run("suspend", "user-42").code)
}

// No control character of an ID reaches a terminal, whatever the form of the output.
func TestNothingMovesTheCursor(t *testing.T) {
	p := onMigratedSQLite(t)
	for _, id := range []string{"x\x1b[2Jy", "x\u009b2Jy", "x\u202ey"} {
		p.ok("suspend", "--", id)
	}
	for _, args := range [][]string{{"fleet"}, {"fleet", "-json"}, {"status", "-json", "x\u009b2Jy"}} {
		require.NotRegexp(t, "[\x1b\u0080-\u009f\u202a-\u202e]", p.ok(args...), "%v", args)
	}
}

// purge says by its exit status that tokens cannot be read, as reseal does.
func TestPurgeOfUnreadable(t *testing.T) {
	p := onMigratedSQLite(t)
	p.enroll("user-42").mint(t, "x")
	_, err := p.db.Exec("UPDATE gatehouse_tokens SET data = x'7b'")
	require.NoError(t, err)
	require.Equal(t, 1, p.run("tokens", "purge").code)
}

// A file that is nowhere has no tables.
func TestMigrateOfNoFile(t *testing.T) {
	p := onSQLite(t)
	require.Equal(t, 2, p.run("-db", "sqlite:", "migrate", "up").code)
	require.NotZero(t, p.run("migrate", "down", "-to", "7", "-lose-data").code)
}

// Row F2: tokens are found in whatever they were found in: tokens.Find's forms, here one of each kind, in binary input,
// in a line longer than any buffer, and behind each other.
func TestLeakedInRealForms(t *testing.T) {
	p := onMigratedSQLite(t)
	o := p.enroll("user-42")
	forms := map[string]func(string) string{
		"json":    func(s string) string { return `{"msg":"token:\n` + s + `\n"}` },
		"url":     func(s string) string { return `/?next=%3Ftoken%3D` + s },
		"header":  func(s string) string { return "Bearer%20" + s },
		"word":    func(s string) string { return "TOKEN_" + s + "_X" },
		"escaped": func(s string) string { return strings.ReplaceAll(s, "_", `\u005f`) },
		"percent": func(s string) string { return strings.ReplaceAll(s, "_", "%255F") },
		"mail":    func(s string) string { return "token=3D" + s[:30] + "=\r\n" + s[30:] },
		"html":    func(s string) string { return s[:30] + "<wbr>" + strings.ReplaceAll(s[30:], "_", "&#95;") },
		"color":   func(s string) string { return "\x1b[31m" + s[:30] + "\x1b[m" + s[30:] },
		"basic":   func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:"+s)) },
		"utf-16":  func(s string) string { return "\xff\xfe" + strings.Join(strings.Split(s, ""), "\x00") + "\x00" },
		"hex":     func(s string) string { return fmt.Sprintf("0x%x", s) },
		"line":    func(s string) string { return strings.Repeat("no line ends here; ", 1<<14) + s },
		"binary":  func(s string) string { return "\x00\xff\xfe\x80" + s + "\x80\x00" },
	}
	require.NotEmpty(t, forms)
	var all strings.Builder
	want := map[string]bool{}
	for name, form := range forms {
		text, id := o.mint(t, name)
		want["revoked token "+id+", "+name+", of user-42"] = true
		all.WriteString(form(text))
		all.WriteString(form(text)) // a second time says nothing
	}
	r := p.feed(all.String(), "leaked")
	require.Equal(t, fmt.Sprintf("%d tokens revoked\n", len(forms)), r.errs)
	require.Zero(t, r.code)
	got := map[string]bool{}
	for line := range strings.Lines(r.out) {
		got[strings.TrimSuffix(line, "\n")] = true
	}
	require.Equal(t, want, got)
	require.Equal(t, ran{0, "", "0 tokens revoked\n"}, p.feed(all.String(), "leaked"))
	require.Equal(t, ran{0, "", "0 tokens revoked\n"}, p.feed("", "leaked"))
}

// Input that cannot be read to its end is a fault, and what was found before it is revoked and named.
func TestLeakedOfInputThatFails(t *testing.T) {
	p := onMigratedSQLite(t)
	cmd := p.command("leaked")
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	cmd.Stdin = dir
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 1, cmd.ProcessState.ExitCode())
	require.Equal(t, "gatehouse: standard input cannot be read; 0 tokens revoked, run it again with the same input\n", string(out))
}

// What stands in the database does not get to the terminal as it is: it may have been written to.
func TestTamperedActivity(t *testing.T) {
	p := onMigratedSQLite(t)
	p.enroll("user-42").mint(t, "t2")
	_, err := p.db.Exec(`UPDATE gatehouse_accounts SET data = CAST(replace(CAST(data AS TEXT), '"t2"', '"t\u001b[2J\u000aroot"') AS BLOB)`)
	require.NoError(t, err)
	r := p.run("status", "user-42")
	require.Contains(t, r.out, "token minted")
	require.NotContains(t, r.out, "\x1b")
	require.NotContains(t, r.out, "\nroot")
}

// What SQLite keeps beside the file is no more open than the file.
func TestFilesBesideSQLite(t *testing.T) {
	p := onMigratedSQLite(t)
	require.NoError(t, p.db.Close())
	path := strings.TrimPrefix(p.url, "sqlite:")
	require.NoError(t, os.Chmod(path, 0o600))
	cmd, in := p.reading("leaked")
	for _, end := range []string{"-wal", "-shm"} {
		info, err := os.Stat(path + end)
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s has mode %04o", end, info.Mode().Perm())
	}
	in.Close()
	require.NoError(t, cmd.Wait())
}

// Ctrl-C in "reset | pager" ends the reader and interrupts the command: that the code is lost has still to be said.
func TestResetInterruptedAndItsReaderGone(t *testing.T) {
	p := onPostgres(t) // which tells who waits for a lock
	require.NoError(t, p.store.Migrate(t.Context()))
	p.enroll("user-42")
	for {
		tx, err := p.db.Begin()
		require.NoError(t, err)
		_, err = tx.Exec("SELECT 1 FROM gatehouse_accounts FOR UPDATE") // holds the save up
		require.NoError(t, err)
		in, out, err := os.Pipe()
		require.NoError(t, err)
		cmd := p.command("reset", "user-42", "-reason", "x")
		var errs strings.Builder
		cmd.Stdout, cmd.Stderr = out, &errs
		require.NoError(t, cmd.Start())
		out.Close()
		in.Close()
		require.Eventually(t, func() bool { // Argon2id is over, and the save waits
			var waiting int
			require.NoError(t, p.db.QueryRow("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN "+
				"(SELECT pid FROM pg_stat_activity WHERE datname = current_database())").Scan(&waiting))
			return waiting > 0
		}, 5*time.Minute, time.Millisecond)
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		require.NoError(t, tx.Rollback())
		_ = cmd.Wait()
		a, err := p.service(p.keys, 0).Account(t.Context(), "user-42")
		require.NoError(t, err)
		if a.Reset == nil {
			continue // a save is given seconds, and this machine took longer to come to the signal
		}
		require.Contains(t, errs.String(), "the reset is done", errs.String())
		return
	}
}

// Keys that were asked for and cannot be read are not passed over.
func TestFleetWithKeysThatAreNotThere(t *testing.T) {
	p := onMigratedSQLite(t)
	require.Equal(t, 1, p.run("fleet", "-keys", "nowhere").code)
}

// A spreadsheet takes no ID for a formula.
func TestFleetCSVForASpreadsheet(t *testing.T) {
	p := onMigratedSQLite(t)
	for _, id := range []string{"=1+1", "+1", "@x", "-1"} {
		p.ok("suspend", "--", id)
	}
	require.NotRegexp(t, `(?m)^"?[=+@-]`, p.ok("fleet", "-csv"))
}
