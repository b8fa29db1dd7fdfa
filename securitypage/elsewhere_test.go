package securitypage_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
			require.Less(t, send(ticked).status, 400, name)
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
