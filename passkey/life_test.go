package passkey_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
	"github.com/gatehouse-go/gatehouse/totp"
)

// A passkey from its registration to its removal.
func TestLife(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	in := h.vouch("ada")
	enr, options, err := h.pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: "Phone"})
	require.NoError(t, err)
	require.Len(t, enr.RecoveryCodes, 10)
	require.Empty(t, enr.URI())
	a, err := h.Account(ctx, "ada")
	require.NoError(t, err)
	require.False(t, a.Protected, "nothing is on before it is finished")
	require.Equal(t, event.MethodPasskey, a.Pending.Kind)

	// Another tab shows the same one again: the same codes, a challenge of its own.
	again, options2, err := h.pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "ada@acme.test", Resume: enr.ID})
	require.NoError(t, err)
	require.Equal(t, revealed(enr), revealed(again))
	require.NotEqual(t, options, options2)

	phone := passkeytest.New(origin)
	phone.Eligible, phone.BackedUp = true, true
	response, err := phone.Create(options)
	require.NoError(t, err)
	require.Equal(t, "ada@acme.test", phone.Passkeys()[0].Name)
	in.Proof, err = h.pk.FinishRegistration(ctx, in, enr.ID, response)
	require.NoError(t, err)
	info, err := h.CheckProof(ctx, in, time.Minute)
	require.NoError(t, err)
	require.True(t, info.SecondFactor && info.PhishingResistant && info.UserVerified)
	o := &owner{h: h, id: "ada", phone: phone, key: enr.ID, in: in}
	a = o.view()
	require.True(t, a.Protected)
	require.Equal(t, []gatehouse.Authenticator{{
		ID: enr.ID, Name: "Phone", Kind: event.MethodPasskey, PhishingResistant: true, UserVerified: true, Synced: true, BackedUp: true,
		Created: gatehousetest.Start, LastUsed: gatehousetest.Start,
	}}, a.Authenticators)
	h.told()

	// The second step of a sign-in.
	h.Wait(time.Hour)
	ch := h.Challenge(t, "ada")
	require.True(t, ch.Passkey.Available)
	browser := gatehouse.Session{Secret: "browser"}
	opts, err := h.pk.AnswerOptions(ctx, browser, ch.Token.Reveal())
	v, err := h.pk.AnswerPasskey(ctx, browser, ch.Token.Reveal(), h.get(phone, opts, err))
	require.NoError(t, err)
	require.Equal(t, event.MethodPasskey, v.Method)
	require.Equal(t, enr.ID, v.AuthenticatorID)
	require.Equal(t, 10, v.CodesLeft)
	require.Equal(t, "ada", v.Session.Account)
	require.Equal(t, "browser", v.Session.Secret)
	require.Equal(t, []event.Kind{event.CodeAccepted}, h.told())
	info, err = h.CheckProof(ctx, v.Session, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "swk", info.Method)
	require.Subset(t, info.AMR, []string{"swk", "user", "mfa"})
	require.Equal(t, 2, info.AAL)
	require.Equal(t, h.Now(), o.view().Authenticators[0].LastUsed)

	// Inside the session, and with a proof of it another one: the laptop's, with no name of its own.
	o.in = v.Session
	o.stepUp()
	laptop := passkeytest.New(origin)
	second := o.add(laptop)
	require.Empty(t, second.RecoveryCodes, "there are some")
	o.add(passkeytest.New(origin))
	names := []string{}
	for _, auth := range o.view().Authenticators {
		names = append(names, auth.Name)
	}
	require.Equal(t, []string{"Phone", "Passkey", "Passkey 2"}, names)

	// Without a password.
	opts, err = h.pk.SignInOptions(ctx, "another browser")
	v, err = h.pk.SignIn(ctx, gatehouse.Session{Secret: "another browser"}, h.get(laptop, opts, err))
	require.NoError(t, err)
	require.Equal(t, "ada", v.Session.Account)
	require.Equal(t, second.ID, v.AuthenticatorID)
	info, err = h.CheckProof(ctx, v.Session, time.Minute)
	require.NoError(t, err)
	require.Equal(t, 3, info.AAL)

	// Removed, it is of no use, and its owner's password manager hears of it.
	gone, err := h.Owner(v.Session).RemoveAuthenticator(ctx, enr.ID)
	require.NoError(t, err)
	o.in.Proof = gone
	opts, err = h.pk.SignInOptions(ctx, "b")
	response = h.get(phone, opts, err)
	_, err = h.pk.SignIn(ctx, gatehouse.Session{Secret: "b"}, response)
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	signal, err := h.pk.UnknownSignal(ctx, response)
	require.NoError(t, err)
	require.Contains(t, string(signal), `"rpId":"acme.test","credentialId":"`)
	ch = h.Challenge(t, "ada")
	opts, err = h.pk.AnswerOptions(ctx, browser, ch.Token.Reveal())
	require.NoError(t, err)
	_, err = phone.Get(opts)
	require.ErrorIs(t, err, passkeytest.ErrNotAllowed, "it is not asked for")
}

// Registration demands what an app's does: the highest proof that there is.
func TestRegistrationNeedsTheHighestProof(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	o := h.enroll("ada")
	begin := func(in gatehouse.Session, r gatehouse.EnrollmentRequest) error {
		r.Label = "ada"
		_, _, err := h.pk.BeginRegistration(ctx, in, r)
		return err
	}
	require.ErrorIs(t, begin(h.vouch("ada"), gatehouse.EnrollmentRequest{}), gatehouse.ErrStepUpRequired, "the password is not enough")
	require.ErrorIs(t, begin(gatehouse.Session{Account: "ada"}, gatehouse.EnrollmentRequest{}), gatehouse.ErrStepUpRequired)
	other := h.enroll("eve")
	require.ErrorIs(t, begin(gatehouse.Session{Account: "ada", Secret: other.in.Secret, Proof: other.in.Proof}, gatehouse.EnrollmentRequest{}), gatehouse.ErrStepUpRequired)
	v, err := h.StepUp(ctx, gatehouse.Session{Account: "ada", Secret: "s"}, o.codes[0])
	require.NoError(t, err)
	require.ErrorIs(t, begin(v.Session, gatehouse.EnrollmentRequest{}), gatehouse.ErrStepUpRequired, "a recovery code replaces, and does not add")
	require.NoError(t, begin(v.Session, gatehouse.EnrollmentRequest{Replace: o.key}))
	require.ErrorIs(t, begin(v.Session, gatehouse.EnrollmentRequest{Replace: "elsewhere"}), gatehouse.ErrNotFound)
	h.Wait(6 * time.Minute)
	require.ErrorIs(t, begin(o.in, gatehouse.EnrollmentRequest{}), gatehouse.ErrStepUpRequired, "too long ago")
	require.NoError(t, begin(o.stepUp(), gatehouse.EnrollmentRequest{}))
	for range 9 {
		o.add(passkeytest.New(origin))
	}
	require.ErrorIs(t, begin(o.in, gatehouse.EnrollmentRequest{}), gatehouse.ErrPrecondition, "ten are enough")
	for name, r := range map[string]gatehouse.EnrollmentRequest{
		"an algorithm": {Label: "ada", Algorithm: totp.SHA256}, "digits": {Label: "ada", Digits: 6}, "no label": {},
		"a long label": {Label: string(make([]byte, 101))}, "a bell": {Label: "\a"}, "a name": {Label: "ada", Name: " x"},
		"more than Resume": {Label: "ada", Resume: "x", Name: "y"},
	} {
		_, _, err := h.pk.BeginRegistration(ctx, o.in, r)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, name)
	}
}

// The options say what the standard recommends for each ceremony.
func TestOptions(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	o := h.enroll("ada")
	type options struct {
		PublicKey struct {
			RPID                                 string `json:"rpId"`
			RP                                   struct{ ID, Name string }
			User                                 struct{ ID, Name, DisplayName string }
			Timeout                              int
			UserVerification                     string
			Attestation                          string
			AllowCredentials, ExcludeCredentials []struct {
				ID         string
				Transports []string
			}
			AuthenticatorSelection struct{ ResidentKey, UserVerification string }
			PubKeyCredParams       []struct{ Alg int }
		}
	}
	read := func(text []byte, err error) options {
		t.Helper()
		require.NoError(t, err)
		var o options
		require.NoError(t, json.Unmarshal(text, &o))
		require.Equal(t, 300_000, o.PublicKey.Timeout)
		return o
	}
	_, text, err := h.pk.BeginRegistration(ctx, o.in, gatehouse.EnrollmentRequest{Label: "Ada L."})
	create := read(text, err).PublicKey
	require.Equal(t, "acme.test", create.RP.ID)
	require.Equal(t, "acme.test", create.RP.Name)
	require.Equal(t, "Ada L.", create.User.Name)
	require.Equal(t, "Ada L.", create.User.DisplayName)
	require.Len(t, create.User.ID, 43)
	require.NotContains(t, create.User.ID, "YWRh", "a handle says nothing of its owner")
	require.Equal(t, "none", create.Attestation)
	require.Equal(t, "preferred", create.AuthenticatorSelection.ResidentKey)
	require.Equal(t, "preferred", create.AuthenticatorSelection.UserVerification)
	require.Equal(t, []struct{ Alg int }{{-7}, {-8}, {-257}}, create.PubKeyCredParams)
	require.Len(t, create.ExcludeCredentials, 1)

	step := read(h.pk.StepUpOptions(ctx, o.in)).PublicKey
	require.Equal(t, create.ExcludeCredentials, step.AllowCredentials)
	require.Equal(t, []string{"internal", "hybrid"}, step.AllowCredentials[0].Transports)
	require.Equal(t, "preferred", step.UserVerification, "the password was the first factor")
	require.Equal(t, step.AllowCredentials, read(h.pk.AnswerOptions(ctx, gatehouse.Session{}, o.challenge())).PublicKey.AllowCredentials)

	alone := read(h.pk.SignInOptions(ctx, "browser")).PublicKey
	require.Equal(t, "acme.test", alone.RPID)
	require.Empty(t, alone.AllowCredentials, "whose they are, only the passkey says")
	require.Equal(t, "required", alone.UserVerification)
}
