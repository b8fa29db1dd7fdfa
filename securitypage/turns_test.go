package securitypage_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/securitypage"
)

// slow is a client that does not read.
type slow struct {
	*httptest.ResponseRecorder
	writing, read chan struct{}
}

func (s slow) Write(b []byte) (int, error) {
	close(s.writing)
	<-s.read
	return len(b), nil
}

// serve sends a form of one of the browser's pages past the network.
func (b *browser) serve(ctx context.Context, w http.ResponseWriter, to, form string) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, prefix+to, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: "session", Value: b.id})
	b.h.page.ServeHTTP(w, r)
}

// Forms of an account take turns, but none waits for somebody who reads slowly, nor longer than its own request.
func TestTurns(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var asked atomic.Int32
	h := newHost(t, func(c *securitypage.Config) {
		c.Owner = func(*http.Request, string) (securitypage.Owner, error) {
			asked.Add(1)
			return securitypage.Owner{}, nil
		}
		c.Password = func(*http.Request, string, string) (bool, error) {
			entered <- struct{}{}
			<-leave // a directory that hangs
			return false, nil
		}
	})
	one, two := h.signIn("ada"), h.signIn("ada")
	form := func(b *browser, page, to string, pairs ...string) string {
		values, ok := b.get(page).form(to)
		require.True(t, ok)
		for i := 0; i < len(pairs); i += 2 {
			values.Set(pairs[i], pairs[i+1])
		}
		return values.Encode()
	}

	client := slow{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
	pairing := form(one, "/pair", "/pair")
	go one.serve(t.Context(), client, "/pair", pairing)
	<-client.writing
	w := httptest.NewRecorder()
	two.serve(t.Context(), w, "/pair", form(two, "/pair", "/pair"))
	require.Equal(t, http.StatusSeeOther, w.Code)
	close(client.read)

	h.svc.Wait(time.Minute)
	hanging := form(one, "/step-up", "/step-up", "step_up_password", "x")
	go one.serve(t.Context(), httptest.NewRecorder(), "/step-up", hanging)
	<-entered
	waiting := form(two, "/pair", "/pair")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	two.serve(ctx, httptest.NewRecorder(), "/pair", waiting) // returns

	// A session that has ended meanwhile does nothing any more.
	w = httptest.NewRecorder()
	before := asked.Load()
	done := make(chan struct{})
	go func() {
		defer close(done)
		two.serve(t.Context(), w, "/pair", waiting)
	}()
	// It was found to count before the host is asked for the owner, and so it waits for its turn, or is about to.
	require.Eventually(t, func() bool { return asked.Load() > before }, 5*time.Minute, time.Millisecond)
	require.NoError(t, h.svc.Operator("host").PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens))
	changed := h.account("ada")
	close(leave)
	<-done
	require.Equal(t, http.StatusConflict, w.Code, "the pairing for which the form was made has ended too")
	require.Equal(t, changed, h.account("ada"))
}
