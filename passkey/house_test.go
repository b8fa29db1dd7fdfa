package passkey_test

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

const origin = "https://login.acme.test"

func config() passkey.Config {
	return passkey.Config{RPID: "acme.test", Origins: []string{origin}}
}

// house is a service with passkeys, whose clock only moves when told.
type house struct {
	*gatehousetest.Service
	pk *passkey.Service
	t  testing.TB
}

func newHouse(t testing.TB, edit ...func(*gatehouse.Config)) *house {
	t.Helper()
	h := &house{Service: gatehousetest.New(t, edit...), t: t}
	var err error
	h.pk, err = passkey.New(h.Service.Service, config())
	require.NoError(t, err)
	return h
}

// owner has an account with a passkey.
type owner struct {
	h     *house
	id    string
	phone *passkeytest.Authenticator
	key   string // the passkey's ID
	in    gatehouse.Session
	codes []string
}

// vouch returns a session of somebody who has typed the password just now.
func (h *house) vouch(id string) gatehouse.Session {
	h.t.Helper()
	in := gatehouse.Session{Account: id, Secret: rand.Text()}
	try, err := h.Before(h.t.Context(), id)
	require.NoError(h.t, err)
	in.Proof, err = try.Vouch(h.t.Context(), in, gatehouse.FirstFactor{Method: "pwd"})
	require.NoError(h.t, err)
	return in
}

// enroll gives an account a passkey as its first factor.
func (h *house) enroll(id string, edit ...func(*passkeytest.Authenticator)) *owner {
	h.t.Helper()
	o := &owner{h: h, id: id, phone: passkeytest.New(origin), in: h.vouch(id)}
	for _, f := range edit {
		f(o.phone)
	}
	enr := o.add(o.phone)
	o.key = enr.ID
	o.codes = revealed(enr)
	require.Len(h.t, o.codes, 10)
	return o
}

// add adds a passkey that an authenticator makes.
func (o *owner) add(phone *passkeytest.Authenticator) gatehouse.Enrollment {
	t := o.h.t
	t.Helper()
	enr, options, err := o.h.pk.BeginRegistration(t.Context(), o.in, gatehouse.EnrollmentRequest{Label: o.id + "@acme.test"})
	require.NoError(t, err)
	response, err := phone.Create(options)
	require.NoError(t, err)
	o.in.Proof, err = o.h.pk.FinishRegistration(t.Context(), o.in, enr.ID, response)
	require.NoError(t, err)
	return enr
}

// get has an authenticator answer options.
func (h *house) get(phone *passkeytest.Authenticator, options []byte, err error) []byte {
	h.t.Helper()
	require.NoError(h.t, err)
	response, err := phone.Get(options)
	require.NoError(h.t, err)
	return response
}

// challenge begins a sign-in with the password.
func (o *owner) challenge() string {
	o.h.t.Helper()
	ch := o.h.Challenge(o.h.t, o.id)
	require.Equal(o.h.t, gatehouse.StepNeeded, ch.Step)
	return ch.Token.Reveal()
}

// stepUp returns a session with a fresh proof by the passkey.
func (o *owner) stepUp() gatehouse.Session {
	t := o.h.t
	t.Helper()
	in := gatehouse.Session{Account: o.id, Secret: o.in.Secret}
	options, err := o.h.pk.StepUpOptions(t.Context(), in)
	v, err := o.h.pk.StepUp(t.Context(), in, o.h.get(o.phone, options, err))
	require.NoError(t, err)
	o.in = v.Session
	return o.in
}

// view is the account as its owner sees it.
func (o *owner) view() gatehouse.Account {
	o.h.t.Helper()
	a, err := o.h.Account(o.h.t.Context(), o.id)
	require.NoError(o.h.t, err)
	return a
}

// told returns the kinds of the events since the last call.
func (h *house) told() (kinds []event.Kind) {
	for _, e := range h.Events.Take() {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// revealed returns the recovery codes of an enrollment.
func revealed(enr gatehouse.Enrollment) (codes []string) {
	for _, code := range enr.RecoveryCodes {
		codes = append(codes, code.Reveal())
	}
	return codes
}

// kinds are the ceremonies with a passkey that is there.
var kinds = []string{"answer", "step-up", "sign-in"}

// take gives the service a response.
type take func(response []byte) (gatehouse.Verification, error)

// ask begins a ceremony of a kind in a session of a secret, and returns its options and what takes the response to them.
func (o *owner) ask(kind, secret string) (options []byte, take take) {
	t, pk := o.h.t, o.h.pk
	t.Helper()
	ctx := t.Context()
	in := gatehouse.Session{Account: o.id, Secret: secret}
	var err error
	switch kind {
	case "answer":
		challenge := o.challenge()
		options, err = pk.AnswerOptions(ctx, in, challenge)
		take = func(response []byte) (gatehouse.Verification, error) {
			return pk.AnswerPasskey(ctx, in, challenge, response)
		}
	case "step-up":
		options, err = pk.StepUpOptions(ctx, in)
		take = func(response []byte) (gatehouse.Verification, error) { return pk.StepUp(ctx, in, response) }
	case "sign-in":
		options, err = pk.SignInOptions(ctx, secret)
		take = func(response []byte) (gatehouse.Verification, error) {
			return pk.SignIn(ctx, gatehouse.Session{Secret: secret}, response)
		}
	}
	require.NoError(t, err)
	return options, take
}

// stored is the account as it is stored.
func (o *owner) stored() string {
	o.h.t.Helper()
	r, err := o.h.Store.LoadAccount(o.h.t.Context(), o.id)
	require.NoError(o.h.t, err)
	return string(r.Data)
}

// denied demands that a response is denied, and that it was a guess or none: a guess is counted in what is stored.
func (o *owner) denied(take take, response []byte, guess bool, what string) {
	t := o.h.t
	t.Helper()
	before := o.stored()
	v, err := take(response)
	var d *gatehouse.DeniedError
	require.ErrorAs(t, err, &d, what)
	require.ErrorIs(t, err, gatehouse.ErrDenied, what)
	require.Zero(t, v, what)
	require.Equal(t, guess, o.stored() != before, "whether it is counted: %s", what)
}

// accepted demands that the next response of an authenticator is accepted.
func (o *owner) accepted(kind string, phone *passkeytest.Authenticator, what string) gatehouse.Verification {
	t := o.h.t
	t.Helper()
	options, take := o.ask(kind, o.in.Secret)
	v, err := take(o.h.get(phone, options, nil))
	require.NoError(t, err, what)
	require.Equal(t, o.id, v.Session.Account)
	return v
}
