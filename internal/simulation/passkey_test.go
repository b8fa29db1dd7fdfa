package simulation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	webauthn "github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

const (
	origin  = "https://acme.test"
	browser = "the secret of the one browser"
)

func sessionOf(account string) gatehouse.Session {
	return gatehouse.Session{Account: account, Secret: browser}
}

func (c *client) sessionOf(account string) gatehouse.Session {
	in := sessionOf(account)
	in.Browser, in.NewBrowser = c.browser(), c.browser()
	return in
}

// browser returns the secret of a client's browser. The last two clients have none: they have the password, and guess.
func (c *client) browser() string {
	if c.guesses() {
		return ""
	}
	return fmt.Sprint("browser of client ", c.number)
}

func (c *client) guesses() bool { return c.number >= clients-2 }

// madePasskey is a passkey that an enrollment has made, whether it was turned on or not.
type madePasskey struct {
	phone      *passkeytest.Authenticator
	enrollment string
	response   []byte
	issued     int64
	count      uint32
}

// signed is what a passkey has signed, which can be shown again and again.
type signed struct {
	purpose   core.PasskeyPurpose
	passkey   int
	challenge int // of the sign-in that it was asked in
	issued    int64
	count     uint32
	response  []byte
}

var errNoPasskey = errors.New("simulation: the account does not have this passkey")

func newPasskeys(t *testing.T, svc *gatehouse.Service) *webauthn.Service {
	pk, err := webauthn.New(svc, webauthn.Config{RPID: "acme.test", Origins: []string{origin}})
	require.NoError(t, err)
	return pk
}

// issued returns when the challenge in what a browser gets was issued.
func (w *world) issued(svc *gatehouse.Service, options []byte) int64 {
	var o struct{ PublicKey struct{ Challenge string } }
	require.NoError(w.t, json.Unmarshal(options, &o))
	raw, err := base64.RawURLEncoding.DecodeString(o.PublicKey.Challenge)
	require.NoError(w.t, err)
	asked, err := engine.Of(svc).OpenCeremony(context.Background(), raw)
	require.NoError(w.t, err)
	return asked.At
}

// create has a new phone make a passkey. One of an odd number counts.
func (w *world) create(svc *gatehouse.Service, number int, enrollment string, options []byte) *madePasskey {
	phone := passkeytest.New(origin)
	phone.Count = uint32(number % 2)
	made := &madePasskey{phone: phone, enrollment: enrollment, issued: w.issued(svc, options), count: phone.Count}
	var err error
	made.response, err = phone.Create(options)
	require.NoError(w.t, err)
	return made
}

// addPasskey adds an account's first passkey before the simulation begins.
func (w *world) addPasskey(svc *gatehouse.Service, in gatehouse.Session, k *known) *madePasskey {
	ctx, pk := context.Background(), newPasskeys(w.t, svc)
	enr, options, err := pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: in.Account})
	require.NoError(w.t, err)
	k.passkeys[0] = w.create(svc, 1, enr.ID, options)
	k.proofs[0], err = pk.FinishRegistration(ctx, in, enr.ID, k.passkeys[0].response)
	require.NoError(w.t, err)
	return k.passkeys[0]
}

// planAsk draws what is shown: something that was signed before, or what a passkey signs in a call before this one.
func (c *client) planAsk(k *known, in *input) (first *planned, learn func(*input)) {
	if old, any := c.oneOf(slices.Sorted(maps.Keys(k.asserts))); any && c.rng.IntN(3) == 0 {
		in.asked = old
		k.asserts[old].shownIn(in)
		if in.purpose == core.PasskeyAnswer && c.rng.IntN(2) == 0 { // in another sign-in
			in.challenge, _ = c.newest(slices.Sorted(maps.Keys(k.challenges)))
		}
		return nil, nil
	}
	made, any := c.newest(slices.Sorted(maps.Keys(k.passkeys)))
	if !any {
		return nil, nil
	}
	in.purpose, in.passkey = []core.PasskeyPurpose{core.PasskeyStepUp, core.PasskeySignIn, core.PasskeyAnswer}[c.rng.IntN(3)], made
	if in.purpose == core.PasskeyAnswer {
		if in.challenge, any = c.newest(slices.Sorted(maps.Keys(k.challenges))); !any {
			in.purpose = core.PasskeySignIn
		}
	}
	first = c.planFirst(ask, in)
	in.asked = first.id
	asks := first.input
	first.run = func(ctx context.Context) error { return c.ask(ctx, k, asks) }
	return first, func(in *input) { k.asserts[in.asked].shownIn(in) }
}

func (s signed) shownIn(in *input) {
	in.purpose, in.passkey, in.challenge, in.issued, in.count = s.purpose, s.passkey, s.challenge, s.issued, s.count
}

// ask has a passkey sign what a node asks.
func (c *client) ask(ctx context.Context, k *known, in input) error {
	var options []byte
	var err error
	switch in.purpose {
	case core.PasskeyAnswer:
		options, err = c.pk.AnswerOptions(ctx, c.sessionOf(in.account), k.challenges[in.challenge])
	case core.PasskeyStepUp:
		options, err = c.pk.StepUpOptions(ctx, c.sessionOf(in.account))
	default:
		options, err = c.pk.SignInOptions(ctx, browser)
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	phone := k.passkeys[in.passkey].phone
	phone.Choose = phone.Passkeys()[0].ID
	count := phone.Count
	response, err := phone.Get(options)
	if errors.Is(err, passkeytest.ErrNotAllowed) {
		return errNoPasskey
	}
	require.NoError(c.t, err)
	k.asserts[in.id] = signed{in.purpose, in.passkey, in.challenge, c.world.issued(c.svc, options), count, response}
	return nil
}

// bindPasskey is bind for calls that have to do with passkeys.
func (c *client) bindPasskey(k *known, in *input, face func(...proofKind) (gatehouse.Session, bool)) func(context.Context) error {
	if in.op == assert {
		if in.asked < 0 {
			return nil
		}
		asked, purpose, challenge := in.asked, in.purpose, in.challenge
		return func(ctx context.Context) (err error) {
			var v gatehouse.Verification
			response := k.asserts[asked].response
			switch purpose {
			case core.PasskeyAnswer:
				v, err = c.pk.AnswerPasskey(ctx, c.sessionOf(in.account), k.challenges[challenge], response)
			case core.PasskeyStepUp:
				v, err = c.pk.StepUp(ctx, c.sessionOf(in.account), response)
			default:
				v, err = c.pk.SignIn(ctx, gatehouse.Session{Secret: browser, Browser: c.browser(), NewBrowser: c.browser()}, response)
			}
			return c.keepProof(k, in, byPasskey, v.Session.Proof, err)
		}
	}
	session, any := face(vouched, secondFactor, operatorCode)
	if !any {
		return nil
	}
	if in.op == register {
		return func(ctx context.Context) error {
			enr, options, err := c.pk.BeginRegistration(ctx, session, gatehouse.EnrollmentRequest{Label: in.account})
			return c.keep(err, func() {
				k.keepCodes(in.id, enr.RecoveryCodes)
				k.passkeys[in.id] = c.create(c.svc, in.id, enr.ID, options)
			})
		}
	}
	if in.enrollment, any = c.newest(slices.Sorted(maps.Keys(k.passkeys))); !any {
		return nil
	}
	made := k.passkeys[in.enrollment]
	in.registered, in.count = made.issued, made.count
	return func(ctx context.Context) error {
		p, err := c.pk.FinishRegistration(ctx, session, made.enrollment, made.response)
		kind := k.kinds[in.proof]
		if kind == vouched {
			kind = byPasskey
		}
		return c.keepProof(k, in, kind, p, err)
	}
}
