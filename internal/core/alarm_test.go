package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Row K5: a year of wrong codes, in whatever way. It is told that there are many as long as it goes on: each
// week, sooner where they have doubled, and not when nothing happens.
func TestManyFailuresInAYear(t *testing.T) {
	for name, c := range map[string]struct {
		attack      func(now time.Time, i int) (next time.Time)
		wrong       int
		least, most int
	}{
		"five a day, each of which costs no waiting": {func(now time.Time, _ int) time.Time { return now.Add(24 * time.Hour / 5) }, 1825, 50, 55},
		"one a day":                     {func(now time.Time, _ int) time.Time { return now.Add(24 * time.Hour) }, 365, 48, 50},
		"two in three days: 20 a month": {func(now time.Time, _ int) time.Time { return now.Add(36 * time.Hour) }, 243, 44, 50},
		"one in two days: 15 a month":   {func(now time.Time, _ int) time.Time { return now.Add(48 * time.Hour) }, 182, 0, 0},
		"one in ten minutes":            {func(now time.Time, _ int) time.Time { return now.Add(10 * time.Minute) }, 365 * 144, 52, 65},
		"a hundred in an hour, each quarter": {func(now time.Time, i int) time.Time {
			if i%100 == 99 {
				return now.AddDate(0, 0, 91)
			}
			return now.Add(36 * time.Second)
		}, 400, 12, 12},
		"twenty once": {func(now time.Time, _ int) time.Time { return now.Add(time.Second) }, 20, 1, 1},
	} {
		for _, method := range []event.Method{event.MethodTOTP, event.MethodRecoveryCode} {
			t.Run(fmt.Sprint(name, " ", method), func(t *testing.T) {
				w := &walker{t: t, now: start}
				a, keys := w.account(1)
				var told []core.Event
				for i := range c.wrong {
					env := core.Env{Now: w.now, Fresh: 1, Window: totp.DefaultWindow()}
					next, out, err := a.Answer(core.Attempt{Method: method, Selector: '0', Tried: map[core.Hash]bool{"SET0": false}, Code: "no code", Keys: keys}, env)
					require.NoError(t, err)
					require.Equal(t, core.Wrong, out.Reason)
					for _, e := range next.Events {
						if e.Kind == event.ManyFailures {
							told = append(told, e)
						}
					}
					a = next
					a.TOTPThrottle.Failures, a.TOTPThrottle.Until = 0, 0 // the owner signs in
					a.RecoveryThrottle = core.Bucket{}
					w.now = c.attack(w.now, i)
				}
				t.Logf("told %d times", len(told))
				require.GreaterOrEqual(t, len(told), c.least)
				require.LessOrEqual(t, len(told), c.most)
				for i, e := range told {
					require.Equal(t, core.Event{Kind: event.ManyFailures, At: e.At, Count: e.Count}, e)
					require.GreaterOrEqual(t, e.Count, 20)
					if i > 0 {
						require.True(t, e.At-told[i-1].At >= 7*86400 || e.Count >= 2*told[i-1].Count)
					}
				}
			})
		}
	}
}

// Row K5, row F5: an alarm that a clock ahead has told does not keep later ones from being told.
func TestAlarmOfAnotherClock(t *testing.T) {
	for ahead, again := range map[time.Duration]bool{
		-7 * 24 * time.Hour: true, -7*24*time.Hour + time.Second: false, 0: false, 30 * time.Second: false, 31 * time.Second: true, wrongBy[1]: true,
	} {
		w := &walker{t: t, now: start}
		a, keys := w.account(1)
		before := core.Alarm{At: start.Add(ahead).Unix(), Count: 20}
		a.TOTPThrottle.Days = []core.DayCount{{start.Unix()/86400 - 1, 38}}
		a.TOTPThrottle.Alarm = before
		next, _, err := a.Answer(core.Attempt{Method: event.MethodTOTP, Code: "no code", Keys: keys}, core.Env{Now: start, Fresh: 1})
		require.NoError(t, err)
		want := before
		if again {
			want = core.Alarm{At: start.Unix(), Count: 39}
		}
		require.Equal(t, want, next.TOTPThrottle.Alarm, "%v", ahead)
	}
}
