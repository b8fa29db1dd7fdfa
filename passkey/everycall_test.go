package passkey_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// callsNothing has the methods that call neither store nor keys.
var callsNothing = map[string]string{
	"Of":             "compares",
	"Provider":       "looks into a table",
	"RelatedOrigins": "returns what New was told",
}

// mishap is how a call of the store or of the sealer goes wrong.
type mishap string

const (
	fails     mishap = "fails"
	hangs     mishap = "hangs until its context ends"
	conflicts mishap = "asks to try again"
	losesIt   mishap = "is made, and its reply is lost"
	repeats   mishap = "is made, and asks to try again"
	hangsUp   mishap = "is made after its caller has hung up"
	keysGo    mishap = "is made, and the keys are gone"
)

var mishaps = []mishap{fails, hangs, conflicts, losesIt, repeats, hangsUp, keysGo}

// deps are what a Service depends on, of which one call goes wrong.
type deps struct {
	mu     sync.Mutex
	calls  int
	at     int // the number of the call that goes wrong, from 1; 0: none does
	how    mishap
	hangUp context.CancelFunc
	keys   *keyring.Ring
}

// call counts a call, and returns what it meets.
func (d *deps) call() gatehousetest.Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls++; d.calls != d.at {
		return gatehousetest.None
	}
	switch d.how {
	case hangsUp:
		d.hangUp()
	case keysGo:
		*d.keys = keyring.Ring{}
	}
	return map[mishap]gatehousetest.Fault{
		fails: gatehousetest.Fail, hangs: gatehousetest.Stall, conflicts: gatehousetest.Conflict, losesIt: gatehousetest.LoseReply, repeats: gatehousetest.Repeat,
	}[d.how]
}

// sealer is a key service, which is called for what a pending enrollment has shown.
type sealer struct {
	*keyring.Ring
	d *deps
}

func (s sealer) Seal(ctx context.Context, plain []byte, b keyring.Binding) ([]byte, error) {
	switch s.d.call() {
	case gatehousetest.None:
		return s.Ring.Seal(context.WithoutCancel(ctx), plain, b)
	case gatehousetest.Stall:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, gatehousetest.ErrFault
}

// world is what one play begins with.
type world struct {
	*owner
	d       *deps
	log     *bytes.Buffer
	secrets []string // none of which may be found in an error, an event or a log
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{d: &deps{}, log: new(bytes.Buffer)}
	logged := event.Log(slog.New(slog.NewJSONHandler(w.log, nil)))
	h := newHouse(t, func(c *gatehouse.Config) {
		w.d.keys = c.Keys
		c.Sealer = sealer{keyring.Generate(), w.d}
		recorder := c.Observer
		c.Observer = event.ObserverFunc(func(ctx context.Context, e event.Event) {
			recorder.Observe(ctx, e)
			logged.Observe(ctx, e)
		})
	})
	w.owner = h.enroll("ada")
	h.told()
	h.Store.Inject(func(string) gatehousetest.Fault { return w.d.call() })
	w.secrets = append(slices.Clone(w.codes), w.in.Secret, w.in.Proof.Reveal())
	return w
}

// keep takes what a response has as secrets, until it was used.
func (w *world) keep(response []byte) []byte {
	var r struct {
		Response map[string]any `json:"response"`
	}
	_ = json.Unmarshal(response, &r)
	for _, name := range []string{"clientDataJSON", "signature"} {
		if text, _ := r.Response[name].(string); text != "" {
			w.secrets = append(w.secrets, text)
		}
	}
	return response
}

// play makes one call. again says whether it may be made twice.
type play struct {
	call  func(ctx context.Context) (any, error)
	again bool
}

// plays has each method of a Service.
func (w *world) plays() map[string]func() play {
	t, pk, in := w.h.t, w.h.pk, w.in
	ctx := t.Context()
	answered := func(kind string) func() play {
		return func() play {
			options, take := w.ask(kind, in.Secret)
			response := w.keep(w.h.get(w.phone, options, nil))
			_ = take
			if kind == "step-up" {
				return play{call: func(ctx context.Context) (any, error) { return pk.StepUp(ctx, in, response) }}
			}
			return play{call: func(ctx context.Context) (any, error) {
				return pk.SignIn(ctx, gatehouse.Session{Secret: in.Secret}, response)
			}}
		}
	}
	request := gatehouse.EnrollmentRequest{Label: "ada@acme.test"}
	return map[string]func() play{
		"SignInOptions": func() play {
			return play{again: true, call: func(ctx context.Context) (any, error) { return pk.SignInOptions(ctx, in.Secret) }}
		},
		"StepUpOptions": func() play {
			return play{again: true, call: func(ctx context.Context) (any, error) { return pk.StepUpOptions(ctx, in) }}
		},
		"AnswerOptions": func() play {
			challenge := w.challenge()
			w.secrets = append(w.secrets, challenge)
			return play{again: true, call: func(ctx context.Context) (any, error) { return pk.AnswerOptions(ctx, in, challenge) }}
		},
		"StepUp": answered("step-up"),
		"SignIn": answered("sign-in"),
		"AnswerPasskey": func() play {
			challenge := w.challenge()
			options, err := pk.AnswerOptions(ctx, in, challenge)
			response := w.keep(w.h.get(w.phone, options, err))
			return play{call: func(ctx context.Context) (any, error) { return pk.AnswerPasskey(ctx, in, challenge, response) }}
		},
		"BeginRegistration": func() play {
			return play{again: true, call: func(ctx context.Context) (any, error) {
				enr, options, err := pk.BeginRegistration(ctx, in, request)
				if err != nil && (!reflect.ValueOf(enr).IsZero() || options != nil) {
					return "half", err
				}
				return options, err
			}}
		},
		"FinishRegistration": func() play {
			enr, options, err := pk.BeginRegistration(ctx, in, request)
			require.NoError(t, err)
			response, err := passkeytest.New(origin).Create(options)
			require.NoError(t, err)
			w.keep(response)
			return play{call: func(ctx context.Context) (any, error) { return pk.FinishRegistration(ctx, in, enr.ID, response) }}
		},
		"Import": func() play {
			theirs := w.h.elsewhere(passkeytest.New(origin))
			return play{again: true, call: func(ctx context.Context) (any, error) {
				return pk.Import(ctx, w.h.Operator("op"), "eve", passkey.Import{Handle: theirs.handle, Credentials: theirs.creds})
			}}
		},
		"Signals": func() play {
			return play{again: true, call: func(ctx context.Context) (any, error) { return pk.Signals(ctx, "ada", "ada@acme.test") }}
		},
		"UnknownSignal": func() play {
			w.phone.Tamper = func(d *passkeytest.Draft) { d.Credential = []byte("gone") }
			options, _ := w.ask("sign-in", "browser")
			response := w.h.get(w.phone, options, nil)
			return play{again: true, call: func(ctx context.Context) (any, error) { return pk.UnknownSignal(ctx, response) }}
		},
	}
}

// all is everything that is stored.
func (w *world) all() (data string) {
	page, err := w.h.Store.Accounts(w.h.t.Context(), "", 10)
	require.NoError(w.h.t, err)
	for _, r := range page.Records {
		data += string(r.Data)
	}
	return data
}

// Each call that a method makes goes wrong in each way: what comes back with an error is nothing, an error that a fault
// has caused is none of those that answer a person, and what can be used once is used once.
func TestEveryCall(t *testing.T) {
	methods := reflect.TypeFor[*passkey.Service]()
	played := 0
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		if callsNothing[name] != "" {
			continue
		}
		played++
		calls := run(t, name, 0, "")
		for at := 1; at <= calls; at++ {
			for _, how := range mishaps {
				run(t, name, at, how)
			}
		}
	}
	require.Greater(t, played, 10)
}

// run plays a method, of which one call goes wrong, and returns how many it has made.
func run(t *testing.T, name string, at int, how mishap) (calls int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		what := fmt.Sprintf("%s: call %d %s", name, at, how)
		w := newWorld(t)
		prepare := w.plays()[name]
		require.NotNil(t, prepare, "%s has no play", name)
		p := prepare()
		keys := *w.d.keys
		before := w.all()
		ctx, hangUp := context.WithTimeout(t.Context(), time.Minute)
		defer hangUp()
		*w.d = deps{at: at, how: how, hangUp: hangUp, keys: w.d.keys}
		got, err := p.call(ctx)
		calls = w.d.calls
		w.d.at = 0
		*w.d.keys = keys
		changed := w.all() != before
		if err != nil {
			require.True(t, reflect.ValueOf(got).IsZero(), what)
			for _, answer := range []error{gatehouse.ErrDenied, gatehouse.ErrStepUpRequired, gatehouse.ErrInvalid, gatehouse.ErrNotFound, gatehouse.ErrPrecondition} {
				require.NotErrorIs(t, err, answer, what)
			}
		} else {
			require.False(t, reflect.ValueOf(got).IsZero(), what)
		}
		if at == 0 || how == conflicts && err == nil {
			require.NoError(t, err, what)
		}
		if how == fails || how == hangs {
			require.Error(t, err, what)
			require.False(t, changed, what)
		}
		_, again := p.call(t.Context())
		if !p.again {
			require.Equal(t, changed, again != nil, "%s: once is enough: %v", what, again)
			want := 1
			if how == losesIt && changed {
				want = 0 // nobody knows, so nothing is told
			}
			require.Equal(t, want, w.successes(), what)
		} else {
			require.NoError(t, again, what)
		}
		for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%+v %#v", err, err), fmt.Sprint(again), w.log.String()} {
			for _, secret := range w.secrets {
				require.NotContains(t, text, secret, what)
			}
		}
	})
	return calls
}

// successes returns how often something was accepted, as it was told.
func (w *world) successes() (n int) {
	for _, e := range w.h.told() {
		if e == event.CodeAccepted || e == event.EnrollmentConfirmed {
			n++
		}
	}
	return n
}

// Of arguments that cannot be, every method says so.
func TestArguments(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	o := h.enroll("ada")
	long := strings.Repeat("x", 256)
	for _, account := range []string{"", long, "a\x00b", "\xff"} {
		in := gatehouse.Session{Account: account, Secret: "s", Proof: o.in.Proof}
		_, err := h.pk.StepUpOptions(ctx, in)
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
		_, err = h.pk.Signals(ctx, account, "")
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
		_, _, err = h.pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "x"})
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
		_, err = h.pk.FinishRegistration(ctx, in, "x", nil)
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
		_, err = h.pk.Import(ctx, h.Operator("op"), account, passkey.Import{})
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
		options, _ := o.ask("step-up", "s")
		_, err = h.pk.StepUp(ctx, in, h.get(o.phone, options, nil))
		require.True(t, errors.Is(err, gatehouse.ErrInvalid), "%v", err)
	}
	for _, challenge := range []string{"", "x", long, o.challenge() + "x", o.in.Proof.Reveal()} {
		_, err := h.pk.AnswerOptions(ctx, gatehouse.Session{}, challenge)
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		_, err = h.pk.AnswerPasskey(ctx, gatehouse.Session{}, challenge, nil)
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	require.Empty(t, h.pk.Provider(gatehouse.Authenticator{AAGUID: "x"}))
	require.Empty(t, h.pk.Provider(gatehouse.Authenticator{}))
	require.Equal(t, "iCloud Keychain", h.pk.Provider(gatehouse.Authenticator{AAGUID: "fbfc3007-154e-4ecc-8c0b-6e020557d7bd"}))
}
