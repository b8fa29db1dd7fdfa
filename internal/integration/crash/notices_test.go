package crash_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/notify"
)

// noticeKills is how often a process is killed that changes accounts and tells their owners.
func noticeKills() int {
	if os.Getenv("GATEHOUSE_LONG") != "" {
		return 500
	}
	return 30
}

const noticeAccounts = 4

// noticing is a service with notices in the life of a process, by its number. Each life is ten minutes later than the
// one before, so that what a killed process has held is free.
func (p place) noticing(life int64) (*gatehouse.Service, *notify.Service, error) {
	_, store, err := p.service(new(atomic.Int64))
	if err != nil {
		return nil, nil, err
	}
	keys, err := keyring.Parse(p.Keys)
	if err != nil {
		return nil, nil, err
	}
	svc, err := gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: keys, Notices: true, Now: func() time.Time { return time.Now().Add(time.Duration(life) * 10 * time.Minute) },
	})
	if err != nil {
		return nil, nil, err
	}
	n, err := notify.New(svc, notify.Config{Every: 100 * time.Millisecond})
	return svc, n, err
}

// notices changes accounts without end and says of each change, by its number, that it is tried and that it was made,
// while it delivers notices and says so. The numbers go on from Times.
func (t task) notices() error {
	ctx := context.Background()
	svc, n, err := t.Place.noticing(t.Step)
	if err != nil {
		return err
	}
	go func() { _ = n.Drain(ctx, notify.SinkFunc(told)) }()
	var wg sync.WaitGroup
	for i := range noticeAccounts {
		wg.Go(func() {
			id := "user-" + strconv.Itoa(i)
			a, err := svc.Account(ctx, id)
			for k := t.Times; err == nil; k++ {
				by := svc.Operator("op").Because(strconv.Itoa(k))
				change, kind := by.Suspend, event.AccountSuspended
				if a.Suspended.IsZero() != ((k-t.Times)%2 == 0) {
					change, kind = by.Resume, event.AccountResumed
				}
				say("try", id, kind, k)
				if err = change(ctx, id); err == nil {
					say("ok", id, kind, k)
				}
			}
			say("fault", err)
		})
	}
	wg.Wait()
	return nil
}

func told(_ context.Context, n event.Notice) error {
	say("told", n.AccountID, n.Kind, n.Reason, n.Count, n.ID)
	return nil
}

// ledger is what lives have said.
type ledger struct {
	t     *testing.T
	tried map[string]bool  // "user-1 account.suspended 7"
	made  map[string][]int // by "user-1 account.suspended", in order
	told  map[string][]toldNotice
	last  map[string]int    // of an account, which change was told last for the first time
	ids   map[string]string // what an ID stands for
	lines map[string]int    // by their first word
	again int
	next  int // number of a change
}

type toldNotice struct{ k, count int }

// read takes the lines of a life until so many begin with a word, or until it ends.
func (l *ledger) read(c *child, life map[string]bool, word string, times int) {
	l.t.Helper()
	for times > 0 && c.lines.Scan() {
		words := strings.Fields(c.lines.Text())
		l.lines[words[0]]++
		if words[0] == word {
			times--
		}
		if words[0] == "fault" {
			l.t.Fatal(c.lines.Text())
		}
		l.line(life, words)
	}
}

func (l *ledger) line(life map[string]bool, words []string) {
	l.t.Helper()
	of, k := words[1]+" "+words[2], int(number(l.t, words[3]))
	switch words[0] {
	case "try":
		l.tried[of+" "+words[3]] = true
		l.next = max(l.next, k+1)
	case "ok":
		l.made[of] = append(l.made[of], k)
	case "told":
		require.True(l.t, l.tried[of+" "+words[3]], "told of what was never tried: %v", words)
		id, what := words[5], strings.Join(words[1:5], " ")
		require.False(l.t, life[id], "told twice in one life: %v", words)
		life[id] = true
		was, known := l.ids[id]
		require.True(l.t, !known || was == what, "%s has become %s under its ID", was, what)
		if known {
			l.again++
		} else {
			require.Greater(l.t, k, l.last[words[1]], "out of order: %v", words)
			l.last[words[1]] = k
		}
		l.ids[id] = what
		l.told[of] = append(l.told[of], toldNotice{k, int(number(l.t, words[4]))})
	}
}

// complete sees that each change that was acknowledged was told, by itself or counted in a later one.
func (l *ledger) complete() (changes int) {
	l.t.Helper()
	for of, made := range l.made {
		for i, k := range made {
			covers := func(n toldNotice) bool {
				j, _ := slices.BinarySearch(made, n.k+1) // those up to it
				return n.k >= k && j-i <= n.count
			}
			require.True(l.t, slices.ContainsFunc(l.told[of], covers), "%s %d was made and never told", of, k)
			changes++
		}
	}
	return changes
}

// A process dies at any moment between a change and the delivery of its notice, or after that: whoever comes next tells
// what was acknowledged, in order, and nothing else.
func TestNoticesOfKilledProcesses(t *testing.T) {
	each(t, func(t *testing.T, p place, _ *dbtest.Server) {
		_, store, err := p.service(new(atomic.Int64))
		require.NoError(t, err)
		require.NoError(t, store.Migrate(t.Context()))
		l := &ledger{
			t: t, tried: map[string]bool{}, made: map[string][]int{}, told: map[string][]toldNotice{}, last: map[string]int{},
			ids: map[string]string{}, lines: map[string]int{}, next: 1,
		}
		lives := noticeKills()
		for i := range lives {
			life := map[string]bool{}
			c := start(t, task{Place: p, Do: "notices", Step: int64(i), Times: l.next})
			l.read(c, life, []string{"ok", "told"}[i%2], 1+i%7)
			time.AfterFunc(time.Duration(i%40)*500*time.Microsecond, func() { _ = c.cmd.Process.Kill() })
			l.read(c, life, "", 1<<30)
			_ = c.cmd.Wait()
		}
		l.rest(p, int64(lives))
		changes := l.complete()
		require.Greater(t, changes, lives, "there was work to interrupt")
		require.NotZero(t, l.again, "some died between the delivery and what they say of it")
		t.Logf("%d lives: %d changes acknowledged, %d tried; %d notices told, %d of them again", lives, changes, l.lines["try"], l.lines["told"], l.again)
	})
}

// rest delivers what is left, in this process.
func (l *ledger) rest(p place, life int64) {
	l.t.Helper()
	_, n, err := p.noticing(life)
	require.NoError(l.t, err)
	ctx, stop := context.WithCancel(l.t.Context())
	defer stop()
	lines, done, here := make(chan string, 1<<12), make(chan struct{}), map[string]bool{}
	go func() {
		defer close(done)
		_ = n.Drain(ctx, notify.SinkFunc(func(_ context.Context, n event.Notice) error {
			lines <- fmt.Sprintln("told", n.AccountID, n.Kind, n.Reason, n.Count, n.ID)
			return nil
		}))
	}()
	require.Eventually(l.t, func() bool {
		lag, err := n.Lag(ctx)
		return err == nil && lag.Notices == 0
	}, time.Minute, 10*time.Millisecond)
	stop()
	<-done
	close(lines)
	for line := range lines {
		l.lines["told"]++
		l.line(here, strings.Fields(line))
	}
}
