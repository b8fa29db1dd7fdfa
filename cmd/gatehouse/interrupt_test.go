package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/totp"
)

// many is more than a command has done when it tells of its second 500.
const many = 2000

// accounts makes accounts with a secret each, with names that a shell has to be told of.
func (p *place) accounts(n int) {
	p.t.Helper()
	svc := p.service(p.keys, 0)
	parts := 4
	if p.dialect == sqlstore.SQLite {
		parts = 1 // it has one writer, and those who wait for it have no queue
	}
	var wg sync.WaitGroup
	for part := range parts {
		wg.Go(func() {
			for i := part; i < n; i += parts {
				_, err := svc.Operator("op").Import(p.t.Context(), fmt.Sprintf("it's\t%04d", i), gatehouse.Import{
					Authenticators: []gatehouse.ImportAuthenticator{{Secret: totp.GenerateSecret(), Name: "Phone"}},
				})
				if err != nil {
					p.t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// endedTokens makes tokens that ended long ago.
func (p *place) endedTokens(n int) {
	p.t.Helper()
	ctx := p.t.Context()
	o := p.enroll("it's an owner")
	_, id := o.mint(p.t, "old")
	then := p.service(p.keys, -40*24*time.Hour)
	require.NoError(p.t, then.tokens.Operator(then.Operator("op")).Revoke(ctx, id))
	rec, _, err := p.store.LoadToken(ctx, id)
	require.NoError(p.t, err)
	for i := range n - 1 {
		rec.ID = fmt.Sprintf("%s%04d", id[:10], i)
		require.NoError(p.t, p.store.SaveToken(ctx, rec, 0))
	}
}

// goOn is how an interrupted command says what to run.
var goOn = regexp.MustCompile(`^gatehouse: interrupted after (\d+) (?:accounts?|tokens?|lines?); go on with: (gatehouse .*)\n$`)

// narrow returns a pipe that takes one line of progress, and has the next one wait until that is read: a command that
// writes into it gets no further than its second line, however slow the test is.
func narrow(t *testing.T) (r, w *os.File) {
	t.Helper()
	const room = 64 // bytes: more than a line has, and less than two
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	size, _, failed := syscall.Syscall(syscall.SYS_FCNTL, w.Fd(), 1031, 4096) // F_SETPIPE_SZ: one page
	require.Zero(t, failed)
	_, err = w.Write(make([]byte, int(size)-room))
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, int(size)-room-1)) // the page is given back only with its last byte
	require.NoError(t, err)
	return r, w
}

// progress is how a line of it begins. The first comes after 500, or sooner where they take long.
var progress = regexp.MustCompile(`^\x00(\d+)(?: of 2000)?, \d+ \w+, at $`)

// midway starts a command whose standard error is narrow, and returns when it has told of its first ones, and how many
// those are. It then waits, at its next line at the latest, until the rest is read.
func (p *place) midway(cmd *exec.Cmd) (told int, rest io.Reader) {
	p.t.Helper()
	r, w := narrow(p.t)
	cmd.Stderr = w
	require.NoError(p.t, cmd.Start())
	p.t.Cleanup(func() { _ = cmd.Process.Kill() })
	w.Close()
	var line []byte
	for b := make([]byte, 1); !bytes.HasSuffix(line, []byte(" at ")); line = append(line, b...) {
		_, err := io.ReadFull(r, b)
		require.NoError(p.t, err, "%q", line)
	}
	m := progress.FindSubmatch(line)
	require.NotNil(p.t, m, "plain lines in a pipe: %q", line)
	_, err := fmt.Sscan(string(m[1]), &told)
	require.NoError(p.t, err)
	return told, r
}

// interrupted runs a command until it has told of its first ones, ends it by SIGINT, and returns how many it had done
// and the shell command that it says to go on with.
func (p *place) interrupted(args ...string) (done int, next string) {
	p.t.Helper()
	cmd := p.command(args...)
	var out bytes.Buffer
	cmd.Stdout = &out
	told, errs := p.midway(cmd)
	require.NoError(p.t, cmd.Process.Signal(syscall.SIGINT))
	rest, err := io.ReadAll(errs)
	require.NoError(p.t, err)
	require.Error(p.t, cmd.Wait())
	last := string(rest)
	if i := strings.Index(last, "gatehouse: "); i > 0 {
		last = last[i:] // another line of progress
	}
	m := goOn.FindStringSubmatch(last)
	require.NotNil(p.t, m, "%q", last)
	require.Equal(p.t, 1, cmd.ProcessState.ExitCode())
	require.Contains(p.t, out.String(), " seen, ", "what it has done is said as well")
	_, err = fmt.Sscan(m[1], &done)
	require.NoError(p.t, err)
	require.GreaterOrEqual(p.t, done, told)
	require.Less(p.t, done, many, "it was over before it was interrupted")
	return done, m[2]
}

// shell runs a command line in bash, as an operator who pastes it.
func (p *place) shell(line string) ran {
	p.t.Helper()
	cmd := p.command()
	cmd.Path, cmd.Args = "/bin/bash", []string{"bash", "-c", "gatehouse() { " + binary + ` "$@"; }; ` + line}
	return p.finish(cmd)
}

// Interrupted in its middle, a command has lost nothing, and what it prints goes on from there to the end.
func TestInterrupted(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		ctx := t.Context()
		p.accounts(many)
		file := p.keysFile(keyring.Generate(), p.keys)

		done, next := p.interrupted("reseal", "-keys", file)
		r := p.shell(next)
		require.Zero(t, r.code, "%s: %s", next, r.errs)
		require.Contains(t, r.out, fmt.Sprintf("%d accounts seen, %d moved\n", many-done, many-done))
		require.Equal(t, "2000 accounts seen, 0 moved\n", p.ok("reseal", "-keys", file))

		done, next = p.interrupted("after-restore", "-reason", "it's 3 o'clock")
		r = p.shell(next)
		require.Zero(t, r.code, "%s: %s", next, r.errs)
		require.Contains(t, r.out, fmt.Sprintf("%d accounts seen", many-done))
		for after := ""; ; {
			page, err := p.store.Accounts(ctx, after, 1000)
			require.NoError(t, err)
			for _, rec := range page.Records {
				require.Equal(t, 1, strings.Count(string(rec.Data), "it's 3 o'clock"), "each once: %s", rec.ID)
				after = rec.ID
			}
			if !page.More {
				break
			}
		}

		p.endedTokens(many)
		done, next = p.interrupted("tokens", "purge")
		r = p.shell(next)
		require.Zero(t, r.code, "%s: %s", next, r.errs)
		var seen, purged int
		_, err := fmt.Sscanf(r.out, "%d tokens seen, %d purged\n", &seen, &purged)
		require.NoError(t, err)
		require.Equal(t, seen, purged)
		require.InDelta(t, many-done, seen, 1, "one may have gone as the signal came")
		left, err := p.store.AllTokens(ctx, "", 10)
		require.NoError(t, err)
		require.Empty(t, left.Records)
	})
}

// The output of a review that was interrupted and that of the one that went on are the whole, without a gap or
// anybody twice.
func TestFleetInterrupted(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		p.accounts(1000) // some hundred bytes each, more than a pipe takes
		for _, args := range [][]string{{"-csv"}, {"-json", "-after", "it's\t0000"}, {"--after=it's\t0000", "-csv"}} {
			args = append([]string{"fleet"}, args...)
			cmd := p.command(args...)
			out, w := narrow(t)
			var errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = w, &errs
			require.NoError(t, cmd.Start())
			w.Close()
			lines := bufio.NewReader(out)
			_, err := lines.ReadByte() // which narrow has left
			require.NoError(t, err)
			first, err := lines.ReadString('\n')
			require.NoError(t, err)
			require.NoError(t, cmd.Process.Signal(syscall.SIGINT)) // it waits for us to read on
			rest, err := io.ReadAll(lines)
			require.NoError(t, err)
			_ = cmd.Wait()
			m := goOn.FindStringSubmatch(errs.String())
			require.NotNil(t, m, "%s", errs.String())
			r := p.shell(m[2])
			require.Zero(t, r.code, r.errs)
			whole := first + string(rest) + r.out
			require.True(t, p.ok(args...) == whole, "%d bytes, then %d", len(first)+len(rest), len(r.out))
			require.NotEmpty(t, r.out)
		}
	})
}

// On a terminal there is a bar, which is gone at the end, and nothing else changes.
func TestTerminal(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		p.accounts(40)
		file := p.keysFile(keyring.Generate(), p.keys)
		on := func(args ...string) string {
			t.Helper()
			cmd := p.command(args...)
			tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 100})
			require.NoError(t, err)
			defer tty.Close()
			out, _ := io.ReadAll(tty) // EIO when the other side is closed
			require.NoError(t, cmd.Wait())
			return string(out)
		}
		out := on("reseal", "-keys", file)
		require.Contains(t, out, "\raccounts ")
		require.Contains(t, out, "/40")
		require.True(t, strings.HasSuffix(out, "\r40 accounts seen, 40 moved\r\n"), "%q", out)
		require.Contains(t, on("after-restore"), "\raccounts ")
		require.NotContains(t, on("fleet"), "\raccounts", "the table itself shows how far it is")
		require.Contains(t, on("status", "it's\t0001"), "account restored")
		require.Contains(t, on("tokens", "purge"), "0 tokens seen, 0 purged")
		require.Contains(t, on("doctor"), "ok    tables")
	})
}

// Two of them at once do the work once, and neither fails.
func TestTwoOperators(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		p.accounts(120)
		file := p.keysFile(keyring.Generate(), p.keys)
		both := func(args ...string) (runs [2]ran) {
			var wg sync.WaitGroup
			for i := range runs {
				wg.Go(func() { runs[i] = p.run(args...) })
			}
			wg.Wait()
			for _, r := range runs {
				require.Zero(t, r.code, r.errs)
			}
			return runs
		}
		moved := 0
		for _, r := range both("reseal", "-keys", file) {
			var seen, n int
			_, err := fmt.Sscanf(r.out, "%d accounts seen, %d moved", &seen, &n)
			require.NoError(t, err)
			require.Equal(t, 120, seen)
			moved += n
		}
		require.Equal(t, 120, moved)

		o := p.enroll("user-42")
		worked := 0
		for _, r := range both("reset", "user-42", "-reason", "x") {
			if o.redeem(strings.TrimSpace(r.out)) == nil {
				worked++
			}
		}
		require.Equal(t, 1, worked, "the second reset has ended the code of the first")
		suspended := both("suspend", "user-42")
		require.ElementsMatch(t, []string{"suspended user-42\n", "user-42 was suspended already\n"}, []string{suspended[0].out, suspended[1].out})

		p.endedTokens(120)
		purged := 0
		for _, r := range both("tokens", "purge") {
			var seen, n int
			_, err := fmt.Sscanf(r.out, "%d tokens seen, %d purged", &seen, &n)
			require.NoError(t, err)
			purged += n
		}
		require.Equal(t, 120, purged)
		both("migrate", "up")
	})
}

// Where the database fails in the middle, one line says so and where to go on.
func TestFailsInTheMiddle(t *testing.T) {
	p := onSQLite(t)
	require.NoError(t, p.store.Migrate(t.Context()))
	p.accounts(many)
	file := p.keysFile(keyring.Generate(), p.keys)
	cmd := p.command("reseal", "-keys", file)
	_, errs := p.midway(cmd)
	_, err := p.db.Exec("ALTER TABLE gatehouse_accounts RENAME TO away")
	require.NoError(t, err)
	rest, err := io.ReadAll(errs)
	require.NoError(t, err)
	require.Error(t, cmd.Wait())
	require.Regexp(t, `^.*\n(\d+ of .*\n)?gatehouse: .*no such table.* after \d+ accounts; go on with: gatehouse reseal -keys \S+ -after .*\n$`, string(rest))
}
