package crash_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// kills is how often each thing is killed; GATEHOUSE_TEST_KILLS says otherwise.
func kills(t *testing.T) int {
	if text := os.Getenv("GATEHOUSE_TEST_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		return n
	}
	return 20
}

// books are what children have said was accepted, and what was seen in the store since.
type books struct {
	t        *testing.T
	accounts []account
	seen     map[string]bool // "0 totp 17": by account, method and step or number
	last     []int64         // the highest accepted step by account
	codes    []map[int]bool
	stored   []int64
	step     int64
}

func newBooks(t *testing.T, accounts []account, step int64) *books {
	b := &books{t: t, accounts: accounts, seen: map[string]bool{}, step: step}
	for range accounts {
		b.last, b.stored, b.codes = append(b.last, 0), append(b.stored, 0), append(b.codes, map[int]bool{})
	}
	return b
}

// read takes lines of a child until a number of steps in which something was accepted has passed, or
// until it ends.
func (b *books) read(c *child, steps int) {
	b.t.Helper()
	for accepted := false; steps > 0 && c.lines.Scan(); {
		words := strings.Fields(c.lines.Text())
		switch words[0] {
		case "step":
			b.step = number(b.t, words[1])
			if accepted {
				accepted = false
				steps--
			}
		case "ok":
			accepted = true
			key := strings.Join(words[1:], " ")
			require.False(b.t, b.seen[key], "accepted twice: %s", key)
			b.seen[key] = true
			n := number(b.t, words[1])
			if words[2] == "totp" {
				step := number(b.t, words[3])
				require.Greater(b.t, step, b.last[n], "a counter went back")
				b.last[n] = step
			} else {
				b.codes[n][int(number(b.t, words[3]))] = true
			}
		default:
			b.t.Fatalf("%q", words)
		}
	}
}

func number(t *testing.T, word string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(word, 10, 64)
	require.NoError(t, err)
	return n
}

// compare sees that all that was acknowledged is in the store, and that nothing there went back.
func (b *books) compare(store *sqlstore.Store) {
	b.t.Helper()
	for n, a := range b.accounts {
		rec, err := store.LoadAccount(context.Background(), a.ID)
		require.NoError(b.t, err)
		acct, err := core.Decode(a.ID, rec.Data)
		require.NoError(b.t, err)
		last := acct.Authenticators[0].Last
		require.GreaterOrEqual(b.t, last, b.last[n], "an accepted step is not in the store")
		require.GreaterOrEqual(b.t, last, b.stored[n], "a stored step went back")
		b.stored[n] = last
		for i := range b.codes[n] {
			used := false
			for _, slot := range acct.Recovery.Slots {
				used = used || slot.Selector == a.Codes[i][:1] && slot.Hash == ""
			}
			require.True(b.t, used, "an accepted recovery code can be used again")
		}
	}
}

// A process dies at any moment of its work; the next one goes on with the very codes of that moment.
func TestProcessKilled(t *testing.T) {
	each(t, func(t *testing.T, p place, _ *dbtest.Server) {
		accounts, step := setUp(t, p, 8)
		b := newBooks(t, accounts, step)
		_, store, err := p.service(new(atomic.Int64))
		require.NoError(t, err)
		for i := range kills(t) {
			c := start(t, task{Place: p, Do: "sign in", Accounts: accounts, Step: b.step})
			b.read(c, 1+i%3)
			time.AfterFunc(time.Duration(i)*700*time.Microsecond, func() { _ = c.cmd.Process.Kill() })
			b.read(c, 1<<30) // what it said before it died
			_ = c.cmd.Wait()
			b.compare(store)
		}
		require.Greater(t, len(b.seen), kills(t), "there was work to interrupt")
		t.Logf("%d codes were accepted", len(b.seen))
	})
}

// The server dies under a process that goes on asking it.
func TestServerKilled(t *testing.T) {
	each(t, func(t *testing.T, p place, s *dbtest.Server) {
		if s == nil {
			return // SQLite has no server: its process is the one of the test above
		}
		accounts, step := setUp(t, p, 8)
		b := newBooks(t, accounts, step)
		c := start(t, task{Place: p, Do: "sign in", Accounts: accounts, Step: b.step})
		for i := range kills(t) {
			b.read(c, 3+i%3)
			time.Sleep(time.Duration(i) * 300 * time.Microsecond) // somewhere within a step
			s.Kill(t)
			s.Restart(t)
			b.read(c, 2)
			_, store, err := p.service(new(atomic.Int64))
			require.NoError(t, err)
			b.compare(store)
		}
		require.Greater(t, len(b.seen), kills(t), "there was work to interrupt")
		t.Logf("%d codes were accepted", len(b.seen))
	})
}

// Two processes with 100 calls each and one code, and then 250 wrong guesses each.
func TestProcessesRace(t *testing.T) {
	each(t, func(t *testing.T, p place, _ *dbtest.Server) {
		for _, serializable := range []bool{false, true} {
			if serializable && p.Dialect == sqlstore.SQLite {
				continue // it has no other isolation
			}
			p := p
			if serializable {
				p.serializable(t)
			}
			t.Run(fmt.Sprintf("serializable=%v", serializable), func(t *testing.T) {
				accounts, step := setUp(t, p, 1)
				defer cleanUp(t, p, accounts)
				race := func(code string, times int) (accepted, denied int64) {
					t.Helper()
					work := task{Place: p, Do: "race", Accounts: accounts, Step: step, Code: code, Times: times}
					children := []*child{start(t, work), start(t, work)}
					for _, c := range children {
						require.True(t, c.lines.Scan())
						require.Equal(t, "ready", c.lines.Text())
					}
					for _, c := range children {
						_, err := c.in.Write([]byte("go\n"))
						require.NoError(t, err)
					}
					for _, c := range children {
						require.True(t, c.lines.Scan())
						words := strings.Fields(c.lines.Text())
						require.Equal(t, "0", words[3], "faults: %s", words)
						accepted += number(t, words[1])
						denied += number(t, words[2])
						require.NoError(t, c.cmd.Wait())
					}
					return accepted, denied
				}
				accepted, denied := race(accounts[0].Codes[0], 100)
				require.Equal(t, []int64{1, 199}, []int64{accepted, denied}, "a recovery code")
				accepted, denied = race(accounts[0].code(step), 100)
				require.Equal(t, []int64{1, 199}, []int64{accepted, denied}, "a TOTP code")
				// That race has locked the method. Later, wrong ones.
				step += 200
				_, store, err := p.service(new(atomic.Int64))
				require.NoError(t, err)
				before := failures(t, store, accounts[0].ID)
				accepted, denied = race("00000000", 250)
				require.Equal(t, []int64{0, 500}, []int64{accepted, denied})
				after := failures(t, store, accounts[0].ID)
				require.LessOrEqual(t, after-before, 6, "more guesses were looked at than the ladder allows")
				require.Positive(t, after-before)
			})
		}
	})
}

func failures(t *testing.T, store *sqlstore.Store, id string) int {
	t.Helper()
	rec, err := store.LoadAccount(context.Background(), id)
	require.NoError(t, err)
	acct, err := core.Decode(id, rec.Data)
	require.NoError(t, err)
	return acct.TOTPThrottle.Failures
}

func cleanUp(t *testing.T, p place, accounts []account) {
	t.Helper()
	_, store, err := p.service(new(atomic.Int64))
	require.NoError(t, err)
	for _, a := range accounts {
		require.NoError(t, store.DeleteAccount(context.Background(), a.ID))
	}
}
