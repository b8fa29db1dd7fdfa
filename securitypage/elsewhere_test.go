package securitypage_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Signing out elsewhere is offered, and ticked, where a change does not do it by itself, and can be had alone.
func TestSignOutElsewhere(t *testing.T) {
	counts := func(b *browser) bool { return b.get("/").status == http.StatusOK }
	for name, change := range map[string]func(*host, *browser) func(ticked bool) answer{
		"another authenticator": func(h *host, b *browser) func(bool) answer {
			app := secretOf(t, b.pair("/pair", "name", "Second"))
			_, a := b.savesCodes()
			return func(ticked bool) answer {
				pairs := []string{"code", app.Code(h.svc.Now())}
				if !ticked {
					pairs = append(pairs, "elsewhere", "")
				}
				return b.send(a, "/pair/confirm", pairs...)
			}
		},
		"new recovery codes": func(_ *host, b *browser) func(bool) answer {
			a := b.get("/recovery-codes")
			return func(ticked bool) answer {
				if !ticked {
					return b.send(a, "/recovery-codes", "elsewhere", "")
				}
				return b.send(a, "/recovery-codes")
			}
		},
	} {
		for _, ticked := range []bool{false, true} {
			h := newHost(t)
			mine, o := h.enrolled("ada")
			other := h.signIn("ada")
			require.Equal(t, http.StatusSeeOther, other.submit("/sign-in", "/sign-in", "code", o.Code()).status)
			send := change(h, mine)
			require.True(t, counts(other))
			done := send(ticked)
			if done.status == http.StatusSeeOther {
				done = mine.follow(done)
			}
			require.Equal(t, http.StatusOK, done.status, name)
			require.NotContains(t, done.text(), "may still be signed in", name)
			require.Equal(t, !ticked, counts(other), name)
			require.True(t, counts(mine), name)
			require.Equal(t, http.StatusOK, mine.get("/recovery-codes").status)
		}
	}

	h := newHost(t)
	mine, o := h.enrolled("ada")
	other, bystander := h.signIn("ada"), h.signIn("eve")
	require.Equal(t, http.StatusSeeOther, other.submit("/sign-in", "/sign-in", "code", o.Code()).status)
	h.svc.Wait(time.Hour + totp.Period) // no proof is asked for
	require.Contains(t, mine.follow(mine.submit("/activity", "/activity/sign-out-elsewhere")).text(), "All other browsers are signed out.")
	require.False(t, counts(other))
	require.True(t, counts(mine))
	require.True(t, counts(bystander))
}

// Where a change is made and the other browsers could not be signed out, the page keeps the change, says so, and offers to
// try again.
func TestSignOutElsewhereFails(t *testing.T) {
	for name, change := range map[string]func(*host, *browser) (send func() answer, again func(*browser, answer) answer){
		"another authenticator": func(h *host, b *browser) (func() answer, func(*browser, answer) answer) {
			app := secretOf(t, b.pair("/pair", "name", "Second"))
			_, a := b.savesCodes()
			return func() answer { return b.follow(b.send(a, "/pair/confirm", "code", app.Code(h.svc.Now()))) },
				func(b *browser, a answer) answer { return b.send(a, "/activity/sign-out-elsewhere") }
		},
		"new recovery codes": func(h *host, b *browser) (func() answer, func(*browser, answer) answer) {
			a := b.get("/recovery-codes")
			return func() answer { return b.send(a, "/recovery-codes") },
				func(b *browser, a answer) answer { return b.send(a, "/recovery-codes/saved") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			const says = "Your other browsers may still be signed in"
			h := newHost(t)
			mine, o := h.enrolled("ada")
			other := h.signIn("ada")
			require.Equal(t, http.StatusSeeOther, other.submit("/sign-in", "/sign-in", "code", o.Code()).status)
			send, again := change(h, mine)
			saves := 0
			fails := func(from int) func(string) gatehousetest.Fault {
				return func(method string) gatehousetest.Fault {
					if method == "SaveAccount" {
						saves++
					}
					if method == "SaveAccount" && saves > from {
						return gatehousetest.Fail
					}
					return gatehousetest.None
				}
			}
			h.svc.Store.Inject(fails(1))
			a := send()
			h.svc.Store.Inject(nil)
			require.Equal(t, http.StatusOK, a.status, a.text())
			require.Contains(t, a.text(), says)
			require.False(t, h.did("ada", event.SessionsEnded))
			require.True(t, other.counts())
			require.NotEmpty(t, h.logs.String())
			if codes := codesOf(a); name == "new recovery codes" {
				require.Len(t, codes, 10)
			}

			saves = 0
			if name == "new recovery codes" {
				saves = -1 // that they are saved
			}
			h.svc.Store.Inject(fails(0))
			require.Equal(t, http.StatusInternalServerError, again(mine, a).status, "it is not said of what was not done")
			h.svc.Store.Inject(nil)
			require.True(t, other.counts())

			require.Equal(t, http.StatusSeeOther, again(mine, a).status)
			require.True(t, h.did("ada", event.SessionsEnded))
			require.False(t, other.counts())
			require.True(t, mine.counts())
		})
	}
}
