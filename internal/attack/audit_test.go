package attack_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
)

var update = flag.Bool("update", false, "write testdata/events.golden")

// whole returns the events since it was last called, with all their fields. Those of several tokens come in the order of
// their IDs, which are random; here they are in that of their names.
func (r *recorder) whole() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	for begin := 0; begin < len(events); {
		end := begin + 1
		for end < len(events) && events[end].Kind == events[begin].Kind && events[end].TokenID != "" {
			end++
		}
		slices.SortStableFunc(events[begin:end], func(a, b event.Event) int { return strings.Compare(a.TokenName, b.TokenName) })
		begin = end
	}
	return events
}

// wholeEvent has every field of an event that is set, as text.
func wholeEvent(e event.Event) string {
	var b strings.Builder
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		if f := v.Field(i); !f.IsZero() {
			x := f.Interface()
			if at, ok := x.(time.Time); ok {
				x = at.Format("2006-01-02 15:04:05")
			}
			fmt.Fprintf(&b, " %s=%v", v.Type().Field(i).Name, x)
		}
	}
	return strings.TrimSpace(b.String())
}

var anyID = regexp.MustCompile(`^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-Za-z]{14})$`)

// named puts names in the place of IDs: of those that were prepared, and of those in what a method has returned.
func (w *world) named(value any, text string) string {
	names := []string{w.ada.auth, "{ada's first}", w.phone.auth, "{ada's second}", w.lola.auth, "{lola's}", w.rex.auth, "{rex's}",
		w.pending.ID, "{pia's pending}"}
	if w.bot.Info.ID != "" {
		names = append(names, w.bot.Info.ID, "{bot's}")
	}
	if w.replacement.ID != "" {
		names = append(names, w.replacement.ID, "{the replacement}")
	}
	if w.keyID != "" {
		names = append(names, w.keyID, "{the passkey}")
	}
	for name, id := range w.ids {
		names = append(names, id, "{"+name+"}")
	}
	names = append(names, idsIn(reflect.ValueOf(value), "")...)
	for _, r := range w.records() {
		for i, auth := range w.account(r.ID).Authenticators {
			names = append(names, auth.ID, fmt.Sprintf("{%s's authenticator %d}", r.ID, i))
		}
		for i, k := range w.account(r.ID).Passkeys {
			names = append(names, k.ID, fmt.Sprintf("{%s's passkey %d}", r.ID, i))
		}
	}
	return anyID.ReplaceAllString(strings.NewReplacer(names...).Replace(text), "{?}")
}

// idsIn returns the IDs in a value, each with its name there.
func idsIn(v reflect.Value, path string) (names []string) {
	if !v.IsValid() || !v.CanInterface() || v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		f, name := v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, ".")
		if f.Kind() == reflect.String && strings.HasSuffix(name, "ID") && anyID.MatchString(f.String()) {
			names = append(names, f.String(), "{returned "+name+"}")
		}
		names = append(names, idsIn(f, name)...)
	}
	return names
}

// TestAuditTrail compares whole events, their lines in the log, and what each play adds to the activity of whom, with
// what they were: no field gets lost unseen, and nothing is told that was not done. go test -run TestAuditTrail . -update
// writes them anew: read the difference. (Row T3.)
func TestAuditTrail(t *testing.T) {
	const golden = "testdata/events.golden"
	prepared := prepare(t)
	told := map[event.Kind]bool{}
	var b strings.Builder
	for _, p := range plays {
		synctest.Test(t, func(t *testing.T) {
			w := prepared.enter(t, p, 0, "")
			before := w.activities()
			o := p.perform(t, w, nil)
			require.True(t, p.ends(o.err), "%s: %v", p.method, o.err)
			fmt.Fprintf(&b, "%s\n", p.method)
			for _, e := range o.told {
				told[e.Kind] = true
				var line bytes.Buffer
				log := slog.New(slog.NewTextHandler(&line, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
					if len(groups) == 0 && a.Key == slog.TimeKey {
						return slog.Attr{}
					}
					return a
				}}))
				event.Log(log).Observe(context.Background(), e)
				fmt.Fprintf(&b, "  told     %s\n  logged   %s\n", w.named(o.value, wholeEvent(e)), w.named(o.value, strings.TrimSpace(line.String())))
			}
			after := w.activities()
			for _, id := range accountsOf(before, after) {
				was, is := before[id], after[id]
				added := len(is) - len(was)
				if added < 0 || !slices.Equal(is[added:], was) {
					added = len(is)
					fmt.Fprintf(&b, "  activity of %s, all of it\n", id)
				}
				for _, e := range is[:added] {
					fmt.Fprintf(&b, "  activity %s\n", w.named(o.value, wholeEvent(e)))
				}
			}
		})
	}
	for _, k := range event.Kinds() {
		require.True(t, told[k], "no play tells %q", k)
	}
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "if it is meant: go test -run TestAuditTrail . -update")
}

// activities has the activity of every account that is stored.
func (w *world) activities() map[string][]event.Event {
	all := map[string][]event.Event{}
	for _, r := range w.records() {
		events, err := w.Activity(context.Background(), r.ID)
		require.NoError(w.t, err)
		all[r.ID] = events
	}
	return all
}

func accountsOf(maps ...map[string][]event.Event) (ids []string) {
	for _, m := range maps {
		for id := range m {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
