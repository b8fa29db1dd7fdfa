package securitypage_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
)

// late is the body of a form whose sender holds it back until something has happened.
type late struct {
	until func()
	form  io.Reader
}

func (l *late) Read(b []byte) (int, error) {
	if l.until != nil {
		l.until()
		l.until = nil
	}
	return l.form.Read(b)
}

func (b *browser) holdBack(to, form string, until func()) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(b.h.t.Context(), http.MethodPost, prefix+to, nil)
	r.Body = io.NopCloser(&late{until, strings.NewReader(form)})
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: "session", Value: b.id})
	w := httptest.NewRecorder()
	b.h.page.ServeHTTP(w, r)
	return w
}

// A thief keeps a form under way, of which the body is held back. Once the owner has a new password, it is sent: the
// thief's session is the one that goes on, and the owner's is ended. No race has to be won.
func TestFormThatIsHeldBack(t *testing.T) {
	t.Run("sign out elsewhere", func(t *testing.T) {
		h := newHost(t)
		thief := h.signIn("ada")
		values, ok := thief.get("/activity").form("/activity/sign-out-elsewhere")
		require.True(t, ok)
		var owner *browser
		thief.holdBack("/activity/sign-out-elsewhere", values.Encode(), func() {
			require.NoError(t, h.svc.Operator("system").PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens))
			h.svc.Wait(time.Minute)
			owner = h.signIn("ada")
			require.Equal(t, http.StatusOK, owner.get("/").status)
		})
		require.NotEqual(t, http.StatusOK, thief.get("/").status, "the thief's session goes on")
		require.Equal(t, http.StatusOK, owner.get("/").status, "the owner's has ended")
	})
	t.Run("a code", func(t *testing.T) {
		h := newHost(t)
		thief, o := h.enrolled("ada")
		h.svc.Wait(time.Hour)
		values, ok := thief.get("/step-up?next=/").form("/step-up")
		require.True(t, ok)
		values.Set("step_up", o.Code()) // seen
		thief.holdBack("/step-up", values.Encode(), func() {
			require.NoError(t, h.svc.Operator("system").PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens))
		})
		require.NotEqual(t, http.StatusOK, thief.get("/").status, "the thief's session goes on, with the second factor alone")
	})
}
