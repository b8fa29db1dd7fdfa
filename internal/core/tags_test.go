package core_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Row K4: tags that cannot be there are refused.
func TestTagBounds(t *testing.T) {
	check := "\x01\x23\xab\xcd"
	for name, c := range map[string]struct {
		edit func(a *core.Account)
		good bool
	}{
		"as they are":          {func(*core.Account) {}, true},
		"two that are equal":   {func(a *core.Account) { a.Recovery.Slots[2].Tag = a.Recovery.Slots[1].Tag }, true},
		"none":                 {func(a *core.Account) { a.Recovery.Tags, a.Recovery.Slots[1].Tag = nil, "" }, true},
		"the longest name":     {func(a *core.Account) { a.Recovery.Tags = &core.Tags{Key: strings.Repeat("k", 32), Check: check} }, true},
		"too long a name":      {func(a *core.Account) { a.Recovery.Tags = &core.Tags{Key: strings.Repeat("k", 33), Check: check} }, false},
		"no name":              {func(a *core.Account) { a.Recovery.Tags = &core.Tags{Check: check} }, false},
		"a name with a line":   {func(a *core.Account) { a.Recovery.Tags = &core.Tags{Key: "k\n", Check: check} }, false},
		"no check":             {func(a *core.Account) { a.Recovery.Tags = &core.Tags{Key: "k"} }, false},
		"a short check":        {func(a *core.Account) { a.Recovery.Tags = &core.Tags{Key: "k", Check: check[1:]} }, false},
		"a long check":         {func(a *core.Account) { a.Recovery.Tags = &core.Tags{Key: "k", Check: check + "0"} }, false},
		"a tag without a key":  {func(a *core.Account) { a.Recovery.Tags = nil }, false},
		"a short tag":          {func(a *core.Account) { a.Recovery.Slots[1].Tag = "01" }, false},
		"a long tag":           {func(a *core.Account) { a.Recovery.Slots[1].Tag = "0120" }, false},
		"a tag of 21 bits":     {func(a *core.Account) { a.Recovery.Slots[1].Tag = "\x01\x23\x48" }, false},
		"of a used code":       {func(a *core.Account) { a.Recovery.Slots[3].Tag = "010" }, false},
		"of one code alone":    {func(a *core.Account) { a.Recovery.Slots[1].Tags = a.Recovery.Tags }, false},
		"of imported codes":    {func(a *core.Account) { a.Recovery.Imported = true }, false},
		"pending":              {func(a *core.Account) { a.Pending.Recovery.Slots[0].Tag = "010" }, false},
		"operator's, no key":   {func(a *core.Account) { a.Reset.Code.Tags = nil }, false},
		"operator's, no check": {func(a *core.Account) { a.Reset.Code.Tags = &core.Tags{Key: "k"} }, false},
		"operator's, short":    {func(a *core.Account) { a.Reset.Code.Tag = "0" }, false},
	} {
		a := full()
		// What full shares with itself is not to be changed by one edit for all.
		tags, code := *a.Recovery.Tags, *a.Reset.Code.Tags
		a.Recovery.Tags, a.Reset.Code.Tags = &tags, &code
		c.edit(&a)
		data, err := a.Encode()
		if err != nil {
			require.False(t, c.good, name)
			continue
		}
		_, err = core.Decode(a.ID, data)
		if c.good {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, core.ErrFormat, name)
		}
	}
}

// Row K4: what becomes of wrong codes, whatever is known of them. A code that misses takes nothing from the throttle,
// and ten at once and then one in six seconds are kept; one that may be right counts; so does each guess at another
// system's codes, which may be short.
func TestMisses(t *testing.T) {
	w := &walker{Rand: rand.New(rand.NewPCG(1, 7)), t: t, now: start}
	tagged := func() core.Account {
		a, _ := w.account(1)
		a.Recovery.Tags = &core.Tags{Key: "k1", Check: "0123"}
		a.Recovery.Slots[1].Tag = "aa0"
		a.Recovery.Slots[2] = core.Slot{Selector: "2", Used: 1}
		return a
	}
	for name, c := range map[string]struct {
		edit    func(a *core.Account)
		attempt core.Attempt
		untried int
		misses  bool
	}{
		"another tag":        {nil, core.Attempt{Selector: '1', Tag: "ab0"}, 0, true},
		"no such selector":   {nil, core.Attempt{Selector: 'Z', Tag: "aa0"}, 0, true},
		"a used code":        {nil, core.Attempt{Selector: '2', Tag: "aa0"}, 0, true},
		"the tag":            {nil, core.Attempt{Selector: '1', Tag: "aa0"}, 1, false},
		"no tag is known":    {nil, core.Attempt{Selector: '1'}, 1, false},
		"the code has none":  {nil, core.Attempt{Selector: '0', Tag: "aa0"}, 1, false},
		"no codes":           {func(a *core.Account) { a.Recovery = nil }, core.Attempt{Selector: '1'}, 0, true},
		"it has changed":     {nil, core.Attempt{Selector: '1', Tag: "ab0", Tried: map[core.Hash]bool{"before": true}}, 0, false},
		"another system's":   {func(a *core.Account) { a.Recovery = newSet("I"); a.Recovery.Imported = true }, core.Attempt{Selector: 'Z'}, 10, false},
		"no operator's code": {nil, core.Attempt{Method: event.MethodOperatorCode, Selector: '1'}, 0, false},
		"an operator's code": {func(a *core.Account) {
			a.Reset = &core.Reset{Expires: start.Unix() + 60, Code: core.Slot{Selector: "1", Hash: "h", Tag: "aa0"}}
		}, core.Attempt{Method: event.MethodOperatorCode, Selector: '1', Tag: "ab0"}, 0, true},
		"its tag": {func(a *core.Account) {
			a.Reset = &core.Reset{Expires: start.Unix() + 60, Code: core.Slot{Selector: "1", Hash: "h", Tag: "aa0"}}
		}, core.Attempt{Method: event.MethodOperatorCode, Selector: '1', Tag: "aa0"}, 1, false},
	} {
		w.now = start
		a := tagged()
		if c.edit != nil {
			c.edit(&a)
		}
		if c.attempt.Method == "" {
			c.attempt.Method = event.MethodRecoveryCode
		}
		hashes, _ := a.Untried(c.attempt, w.env(totp.Window{}))
		require.Len(t, hashes, c.untried, name)
		if c.attempt.Tried == nil {
			c.attempt.Tried = map[core.Hash]bool{}
			for _, hash := range hashes {
				c.attempt.Tried[hash] = false
			}
		}
		if name == "no operator's code" {
			_, refused := a.Refused(c.attempt, w.env(totp.Window{}))
			require.True(t, refused, name)
			continue
		}
		for i := range 12 {
			next, out, err := a.Answer(c.attempt, w.env(totp.Window{}))
			require.NoError(t, err)
			require.NotEqual(t, core.Accepted, out.Reason)
			if !c.misses {
				require.Zero(t, next.Misses, name)
				require.Equal(t, w.now.Unix()+int64(min(i+1, 10))*6, next.RecoveryThrottle.Full, name)
				a = next
				continue
			}
			require.Zero(t, next.RecoveryThrottle, name)
			require.Zero(t, out.RetryAt, name)
			require.Equal(t, w.now.Unix()+int64(min(i+1, 10))*6, next.Misses.Full, name)
			want := core.Event{Kind: event.CodeDenied, At: w.now.Unix(), Method: c.attempt.Method, Why: out.Reason}
			if i >= 10 {
				want = core.Event{Kind: event.ThrottledBurst, At: w.now.Unix(), Method: c.attempt.Method, Why: core.Wrong, RetryAt: w.now.Unix() + 6}
				require.Equal(t, snapshot(t, stripped(a)), snapshot(t, stripped(next)), "%s: nothing to save", name)
			}
			want.Number, next.Events[0].Number = 0, 0
			require.Equal(t, want, next.Events[0], name)
			a = next
		}
		w.now = w.now.Add(6 * time.Second)
		if next, _, _ := a.Answer(c.attempt, w.env(totp.Window{})); c.misses {
			require.Equal(t, a.Misses.Full+6, next.Misses.Full, "%s: one more", name)
		}
	}
}

func stripped(a core.Account) core.Account {
	a.Events = nil
	return a
}
