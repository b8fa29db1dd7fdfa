package attack_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// TestNewBrowsersAtOnce has an owner sign in from new browsers at once, where each sign-in ends the challenges of the
// others: every one of them is known in the end, and told.
func TestNewBrowsersAtOnce(t *testing.T) {
	t.Parallel()
	const browsers = 6
	h := newHouse(t)
	o := h.enroll("user-42")
	signIn := func(i int) error {
		ctx := context.Background()
		ch, err := h.Challenge(ctx, o.id)
		if err != nil {
			return err
		}
		in := gatehouse.Session{NewBrowser: fmt.Sprint("secret ", i)}
		_, err = h.Service.Answer(ctx, in, ch.Token.Reveal(), o.codes[i].Reveal())
		return err
	}
	var wg sync.WaitGroup
	for i := range browsers {
		wg.Go(func() {
			err := signIn(i)
			for tries := 0; tries < 100 && errors.Is(err, gatehouse.ErrDenied); tries++ {
				err = signIn(i)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	a := h.account(o.id)
	require.Len(t, a.Browsers, browsers)
	told := 0
	for i := range browsers {
		require.True(t, a.Knows(engine.BrowserDigests(o.id, fmt.Sprint("secret ", i)), engine.Of(h.Service).Env()))
	}
	for _, e := range a.Activity {
		if e.Kind == event.NewBrowser {
			told += max(e.Count, 1)
		}
	}
	require.Equal(t, browsers, told)
}

// TestSessionPrintsNoBrowser: what a browser is known by is a secret.
func TestSessionPrintsNoBrowser(t *testing.T) {
	in := gatehouse.Session{Account: "ada", Browser: "one secret", NewBrowser: "another secret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		require.NotContains(t, fmt.Sprintf(verb, in), "secret", verb)
	}
}

// TestSecretWithADot: what comes before a dot in a browser's secret, which may be the same for all of them, makes nobody
// known.
func TestSecretWithADot(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := h.enroll("user-42")
	known := func(browser string) bool {
		return h.account(o.id).Knows(engine.BrowserDigests(o.id, browser), engine.Of(h.Service).Env())
	}
	for i, secret := range []string{"v1.ONE", ".ONE", "ONE.", "a.b.c.d.e.f.g", "ONE"} {
		ch, err := h.Challenge(t.Context(), o.id)
		require.NoError(t, err)
		_, err = h.Service.Answer(t.Context(), gatehouse.Session{NewBrowser: secret}, ch.Token.Reveal(), o.codes[i].Reveal())
		require.NoError(t, err)
		require.Equal(t, secret == "ONE", known(secret), secret)
		require.False(t, known("v1"))
		require.False(t, known("a"))
	}
}
