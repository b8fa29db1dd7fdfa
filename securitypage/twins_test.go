package securitypage_test

import (
	"maps"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

// copies returns browsers that have a session as it is now, each for itself: a copy of its cookies.
func (b *browser) copies(n int) []*browser {
	b.h.t.Helper()
	var out []*browser
	for range n {
		c := b.h.browser(&session{account: b.account})
		maps.Copy(c.kept, b.kept)
		out = append(out, c)
	}
	return out
}

// wrong returns how many codes of an account were wrong.
func (h *host) wrong(account string) (n int) {
	h.t.Helper()
	a, err := h.svc.Account(h.t.Context(), account)
	require.NoError(h.t, err)
	for _, e := range a.Activity {
		if e.Kind == event.CodeDenied {
			n += max(e.Count, 1)
		}
	}
	return n
}

// twinned is an owner whose proof is too old, and a prompt that is filled in.
func twinned(t *testing.T) (*host, *browser, *gatehousetest.User, url.Values) {
	t.Helper()
	h := unlisted(t)
	b, o := h.enrolled("ada")
	h.svc.Wait(20 * time.Minute)
	require.Equal(t, http.StatusForbidden, b.get("/disable").status)
	form, ok := b.get("/step-up?next=/home").form("/step-up")
	require.True(t, ok)
	form.Set("step_up", o.Code())
	return h, b, o, form
}

// A form that is sent many times at once, with the cookies of before, does what it is for: each of its answers brings the
// proof along, as a browser keeps only the last one's.
func TestSentTwiceAtOnce(t *testing.T) {
	h, b, _, form := twinned(t)
	old := b.proof()
	all := b.copies(6)
	var wait sync.WaitGroup
	answers := make([]answer, len(all))
	for i, c := range all {
		wait.Go(func() { answers[i] = c.post("/step-up", form) })
	}
	wait.Wait()
	for i, c := range all {
		require.Equal(t, "/home", answers[i].header.Get("Location"), answers[i].text())
		require.NotEqual(t, old, c.proof())
		require.Equal(t, all[0].proof(), c.proof())
		require.Equal(t, http.StatusOK, c.get("/disable").status)
	}
	require.Zero(t, h.wrong("ada"))
	require.Equal(t, old, b.proof(), "which has sent nothing")
}

// A proof goes to a twin alone: to no other form of the session, nor to the same one with anything else typed into it, as
// somebody has who holds an old copy of the cookie; to no other session, to no other account, and to nobody later on.
func TestNoTwin(t *testing.T) {
	with := func(form url.Values, code string) url.Values {
		form = maps.Clone(form)
		form["step_up"] = []string{code}
		return form
	}
	for name, c := range map[string]struct {
		status int
		try    func(h *host, thief *browser, o *gatehousetest.User, form url.Values) answer
	}{
		"another form": {http.StatusForbidden, func(_ *host, thief *browser, _ *gatehousetest.User, _ url.Values) answer {
			return thief.submit("/recovery-codes", "/recovery-codes")
		}},
		"without the code": {http.StatusUnprocessableEntity, func(_ *host, thief *browser, _ *gatehousetest.User, form url.Values) answer {
			return thief.post("/step-up", with(form, ""))
		}},
		"with another code": {http.StatusUnprocessableEntity, func(_ *host, thief *browser, _ *gatehousetest.User, form url.Values) answer {
			return thief.post("/step-up", with(form, "000000"))
		}},
		"to another path": {http.StatusConflict, func(_ *host, thief *browser, _ *gatehousetest.User, form url.Values) answer {
			return thief.post("/recovery-codes", form)
		}},
		"another session": {http.StatusConflict, func(h *host, thief *browser, o *gatehousetest.User, form url.Values) answer {
			other := h.signIn("ada")
			a := other.submit("/sign-in?with=recovery", "/sign-in", "code", o.RecoveryCodes[0].Reveal())
			require.Equal(h.t, recovered, a.header.Get("Location"))
			before := other.proof()
			a = other.post("/step-up", form)
			require.Equal(h.t, before, other.proof())
			return a
		}},
		"another account with the same cookie": {http.StatusConflict, func(_ *host, thief *browser, _ *gatehousetest.User, form url.Values) answer {
			thief.account = "eve"
			return thief.post("/step-up", form)
		}},
		"later": {http.StatusUnprocessableEntity, func(h *host, thief *browser, _ *gatehousetest.User, form url.Values) answer {
			h.svc.Wait(10 * time.Second)
			return thief.post("/step-up", form)
		}},
		"later, by the twin of a twin": {http.StatusUnprocessableEntity, func(h *host, thief *browser, _ *gatehousetest.User, form url.Values) answer {
			h.svc.Wait(6 * time.Second)
			require.Equal(h.t, http.StatusSeeOther, thief.copies(1)[0].post("/step-up", form).status)
			h.svc.Wait(6 * time.Second)
			return thief.post("/step-up", form)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h, b, o, form := twinned(t)
			thief := b.copies(1)[0]
			old := thief.proof()
			require.Equal(t, http.StatusSeeOther, b.post("/step-up", form).status)
			a := c.try(h, thief, o, form)
			require.Equal(t, c.status, a.status, a.text())
			require.Equal(t, old, thief.proof())
			require.NotEqual(t, http.StatusOK, thief.get("/disable").status)
		})
	}
}

// What is remembered is bounded, and forgotten.
func TestTwinsAreBounded(t *testing.T) {
	h, b, o, form := twinned(t)
	late := b.copies(1)[0]
	h.page.FillTwins(h.svc.Now())
	full := h.page.Twins()
	require.Equal(t, 10_000, full)
	require.Equal(t, http.StatusSeeOther, b.post("/step-up", form).status)
	require.Equal(t, full, h.page.Twins())
	require.Equal(t, http.StatusUnprocessableEntity, late.post("/step-up", form).status, "its twin is not remembered")

	h.svc.Wait(time.Minute)
	form, _ = b.get("/step-up").form("/step-up")
	form.Set("step_up", o.Code())
	require.Equal(t, http.StatusSeeOther, b.post("/step-up", form).status)
	require.Equal(t, 1, h.page.Twins())
}
