package passkey_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// A response answers the one challenge that it was made for: not that of another session, account, sign-in or ceremony,
// and of those none after it has been used.
func TestForeignChallenges(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	o, eve := h.enroll("ada"), h.enroll("eve")
	for _, kind := range kinds {
		for _, other := range kinds {
			theirs, _ := o.ask(other, "another browser")
			if kind != other {
				theirs, _ = o.ask(other, "browser")
			}
			_, take := o.ask(kind, "browser")
			o.denied(take, h.get(o.phone, theirs, nil), false, "a challenge of "+other+" at "+kind)
		}
		theirs, _ := eve.ask(kind, "browser")
		_, take := o.ask(kind, "browser")
		response := h.get(eve.phone, theirs, nil)
		if kind == "sign-in" { // whose it is, the passkey alone says
			v, err := take(response)
			require.NoError(t, err)
			require.Equal(t, "eve", v.Session.Account)
			continue
		}
		o.denied(take, response, false, "another's passkey and challenge at "+kind)
	}
	_, options, err := h.pk.BeginRegistration(ctx, o.in, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	made, err := passkeytest.New(origin).Create(options)
	require.NoError(t, err)
	for _, kind := range kinds {
		_, take := o.ask(kind, o.in.Secret)
		o.denied(take, made, false, "a registration at "+kind)
	}

	// Another sign-in of the same account, in the same session.
	in := gatehouse.Session{Secret: "browser"}
	first, second := o.challenge(), ""
	options, err = h.pk.AnswerOptions(ctx, in, first)
	response := h.get(o.phone, options, err)
	h.Wait(time.Second)
	second = o.challenge()
	o.denied(func(r []byte) (gatehouse.Verification, error) { return h.pk.AnswerPasskey(ctx, in, second, r) }, response, false, "a later sign-in")
	_, err = h.pk.AnswerPasskey(ctx, gatehouse.Session{Account: "eve", Secret: "browser"}, first, response)
	require.ErrorIs(t, err, gatehouse.ErrDenied, "the session is another account's")
	_, err = h.pk.AnswerOptions(ctx, gatehouse.Session{Account: "eve", Secret: "browser"}, first)
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = h.pk.AnswerPasskey(ctx, in, first, response)
	require.NoError(t, err)
	_, err = h.pk.AnswerOptions(ctx, in, second)
	require.ErrorIs(t, err, gatehouse.ErrDenied, "a sign-in ends those that had begun")
}

// A captured response is worth nothing once it was used, at any ceremony, in any session.
func TestReplay(t *testing.T) {
	h := newHouse(t)
	for _, kind := range kinds {
		o := h.enroll("of " + kind)
		options, take := o.ask(kind, "browser")
		response := h.get(o.phone, options, nil)
		_, err := take(response)
		require.NoError(t, err)
		o.denied(take, response, kind != "answer", "again at "+kind) // the challenge of a sign-in is over, so that is no guess
		for _, other := range kinds {
			for _, secret := range []string{"browser", "thief"} {
				_, take := o.ask(other, secret)
				o.denied(take, response, other == kind && secret == "browser" && kind != "answer", "later, at "+other)
			}
		}
	}
}

// Options are for accounts that a passkey can answer for.
func TestNoOptions(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	app := h.Enroll(t, "app")
	var d *gatehouse.DeniedError
	for _, account := range []string{"app", "nobody"} {
		_, err := h.pk.StepUpOptions(ctx, gatehouse.Session{Account: account})
		require.ErrorAs(t, err, &d)
		require.True(t, d.Disabled, "waiting does not help")
	}
	_, err := h.pk.AnswerOptions(ctx, gatehouse.Session{}, h.Challenge(t, app.AccountID).Token.Reveal())
	require.ErrorAs(t, err, &d)
	require.True(t, d.Disabled)
	o := h.enroll("ada")
	challenge := o.challenge()
	require.NoError(t, h.Operator("op").Suspend(ctx, "ada"))
	_, err = h.pk.StepUpOptions(ctx, o.in)
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = h.pk.AnswerOptions(ctx, gatehouse.Session{}, challenge)
	require.ErrorIs(t, err, gatehouse.ErrDenied)
}

// Two tabs have a challenge each. Either may be answered first; then the older one is over, and the younger is not.
func TestTwoTabs(t *testing.T) {
	for _, kind := range kinds {
		h := newHouse(t)
		o := h.enroll("ada")
		older, takeOlder := o.ask(kind, "browser")
		younger, takeYounger := o.ask(kind, "browser")
		a, b := h.get(o.phone, older, nil), h.get(o.phone, younger, nil)
		_, err := takeOlder(a)
		require.NoError(t, err, kind)
		if kind == "answer" {
			o.denied(takeYounger, b, false, "a sign-in ends those that had begun")
			continue
		}
		_, err = takeYounger(b)
		require.NoError(t, err, kind)
		older, takeOlder = o.ask(kind, "browser")
		younger, takeYounger = o.ask(kind, "browser")
		a, b = h.get(o.phone, older, nil), h.get(o.phone, younger, nil)
		_, err = takeYounger(b)
		require.NoError(t, err, kind)
		o.denied(takeOlder, a, true, "older than the last one")
		o.accepted(kind, o.phone, "asked again")
	}
}

// A challenge lives five minutes, and ends with the state of the account that it was made on.
func TestChallengesEnd(t *testing.T) {
	ctx := t.Context()
	for name, ends := range map[string]func(h *house, o *owner){
		"time":      func(h *house, _ *owner) { h.Wait(5*time.Minute + time.Second) },
		"the clock": func(h *house, _ *owner) { h.Wait(-time.Minute) },
		"a new password": func(h *house, _ *owner) {
			require.NoError(t, h.Operator("op").PasswordChanged(ctx, "ada", gatehouse.KeepTokens))
		},
		"a suspension": func(h *house, _ *owner) { require.NoError(t, h.Operator("op").Suspend(ctx, "ada")) },
		"a suspension that has ended": func(h *house, _ *owner) {
			require.NoError(t, h.Operator("op").Suspend(ctx, "ada"))
			require.NoError(t, h.Operator("op").Resume(ctx, "ada"))
		},
		"a reset": func(h *house, _ *owner) { _, err := h.Operator("op").Reset(ctx, "ada"); require.NoError(t, err) },
		"a restore": func(h *house, _ *owner) {
			_, err := h.Operator("op").AfterRestore(ctx, gatehouse.Restoration{}, "", nil)
			require.NoError(t, err)
		},
		"a deletion":        func(h *house, _ *owner) { require.NoError(t, deleted(h.Operator("op").DeleteAccount(ctx, "ada"))) },
		"another passkey":   func(_ *house, o *owner) { o.add(passkeytest.New(origin)) },
		"two-factor is off": func(h *house, o *owner) { _, err := h.Owner(o.in).DisableTwoFactor(ctx); require.NoError(t, err) },
	} {
		for _, kind := range kinds {
			h := newHouse(t)
			o := h.enroll("ada")
			options, take := o.ask(kind, "browser")
			response := h.get(o.phone, options, nil)
			h.Wait(time.Second)
			ends(h, o)
			if kind == "sign-in" && name == "another passkey" {
				_, err := take(response)
				require.NoError(t, err, "whose it is was not known when it was asked for")
				continue
			}
			o.denied(take, response, false, kind+" after "+name)
			if strings.HasSuffix(name, "new password") || strings.HasSuffix(name, "has ended") {
				o.accepted(kind, o.phone, "asked in the very second of "+name)
			}
		}
	}
}

// A passkey that was removed between options and answer lets nobody in, nor does its account's other one on its behalf.
func TestRemovedMeanwhile(t *testing.T) {
	ctx := t.Context()
	for _, kind := range kinds {
		h := newHouse(t)
		o := h.enroll("ada")
		o.add(passkeytest.New(origin))
		options, take := o.ask(kind, "browser")
		response := h.get(o.phone, options, nil)
		_, err := h.Owner(o.in).RemoveAuthenticator(ctx, o.key)
		require.NoError(t, err)
		o.denied(take, response, false, kind)
	}
}

// One authenticator can have the passkeys of two accounts, and even two accounts one credential ID: who signs in is the
// account that the handle names, under its own key.
func TestTwins(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	ada := h.enroll("ada")
	twin := func(d *passkeytest.Draft) { d.Credential = ada.phone.Passkeys()[0].ID }
	eve := h.enroll("eve", func(a *passkeytest.Authenticator) { a.Tamper = twin })
	evesOwn := func(options []byte) []byte { // which her authenticator knows by its own ID
		return bytes.ReplaceAll(options, encoded(ada.phone.Passkeys()[0].ID), encoded(eve.phone.Passkeys()[0].ID))
	}
	for _, kind := range kinds {
		options, take := eve.ask(kind, "browser")
		v, err := take(h.get(eve.phone, evesOwn(options), nil))
		require.NoError(t, err)
		require.Equal(t, "eve", v.Session.Account)
		require.Equal(t, eve.key, v.AuthenticatorID)
		v = ada.accepted(kind, ada.phone, kind)
		require.Equal(t, ada.key, v.AuthenticatorID)
	}
	// Eve's key under Ada's credential ID and handle.
	options, take := eve.ask("sign-in", "browser")
	handle := ada.phone.Passkeys()[0].Handle
	eve.phone.Tamper = func(d *passkeytest.Draft) { twin(d); d.UserHandle = handle }
	ada.denied(take, h.get(eve.phone, options, nil), true, "the key is another's")

	// Within an account it is there once, also where an authenticator has no memory of it.
	ada.phone.Forget(handle)
	enr, options, err := h.pk.BeginRegistration(ctx, ada.stepUp(), gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	_, err = ada.phone.Create(options)
	require.ErrorIs(t, err, passkeytest.ErrInvalidState, "the authenticator says so")
	forgetful := passkeytest.New(origin)
	forgetful.Tamper = twin
	response, err := forgetful.Create(options)
	require.NoError(t, err)
	_, err = h.pk.FinishRegistration(ctx, ada.in, enr.ID, response)
	require.ErrorIs(t, err, gatehouse.ErrPrecondition)
	require.Len(t, ada.view().Authenticators, 1)
}

// A sign-in without a password goes by the handle alone, and by one of ours alone.
func TestHandles(t *testing.T) {
	h := newHouse(t)
	o := h.enroll("ada")
	own := o.phone.Passkeys()[0].Handle
	for name, handle := range map[string][]byte{
		"its own and more": append(bytes.Clone(own), 0), "its own, cut": own[:31], "none": nil, "short": {1}, "unknown": make([]byte, 31), "zero": make([]byte, 32), "long": make([]byte, 64),
	} {
		if name == "unknown" {
			handle = append(handle, 1)
		}
		o.phone.Tamper = func(d *passkeytest.Draft) { d.UserHandle = handle }
		options, take := o.ask("sign-in", "browser")
		o.denied(take, h.get(o.phone, options, nil), false, name)
		o.accepted("step-up", o.phone, "whose it is, the session says")
	}
	o.phone.Tamper = nil
	o.accepted("sign-in", o.phone, "its own")
	_, err := h.pk.SignInOptions(t.Context(), "")
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	_, err = h.pk.SignIn(t.Context(), gatehouse.Session{Secret: ""}, nil)
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
}

// Options that were made under an older key work while the ring has it, whatever ceremony they are of.
func TestKeysRotated(t *testing.T) {
	ctx := t.Context()
	old, now := keyring.Generate(), gatehouse.Config{}
	h := newHouse(t, func(c *gatehouse.Config) { c.Keys = old; now = *c })
	o := h.enroll("ada")
	other := func(keys string) *passkey.Service {
		ring, err := keyring.Parse(keys)
		require.NoError(t, err)
		c := now
		c.Keys, c.Now = ring, h.Now
		svc, err := gatehouse.New(h.Store, c)
		require.NoError(t, err)
		pk, err := passkey.New(svc, config())
		require.NoError(t, err)
		return pk
	}
	fresh := keyring.Generate().Reveal()
	both, alone := other(fresh+"\n"+old.Reveal()), other(fresh)

	in := gatehouse.Session{Account: "ada", Secret: o.in.Secret, Proof: o.in.Proof}
	step, err := h.pk.StepUpOptions(ctx, in)
	response := h.get(o.phone, step, err)
	_, err = alone.StepUp(ctx, in, response)
	require.ErrorIs(t, err, gatehouse.ErrDenied, "a process without the old key")
	_, err = both.StepUp(ctx, in, response)
	require.NoError(t, err)

	options, err := h.pk.SignInOptions(ctx, "browser")
	response = h.get(o.phone, options, err)
	_, err = alone.SignIn(ctx, gatehouse.Session{Secret: "browser"}, response)
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = both.SignIn(ctx, gatehouse.Session{Secret: "browser"}, response)
	require.NoError(t, err)

	enr, options, err := h.pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	response, err = passkeytest.New(origin).Create(options)
	require.NoError(t, err)
	_, err = alone.FinishRegistration(ctx, in, enr.ID, response)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "the proof does not open either")
	_, err = both.FinishRegistration(ctx, in, enr.ID, response)
	require.NoError(t, err)

	// What a passkey is does not depend on keys: with all of them gone it signs in.
	h.Wait(time.Second)
	options, err = alone.SignInOptions(ctx, "browser")
	_, err = alone.SignIn(ctx, gatehouse.Session{Secret: "browser"}, h.get(o.phone, options, err))
	require.NoError(t, err)
}

// encoded is base64url.
func encoded(b []byte) []byte { return []byte(base64.RawURLEncoding.EncodeToString(b)) }

// Servers whose clocks differ by seconds take turns with one passkey.
func TestClocksThatDiffer(t *testing.T) {
	ctx := t.Context()
	keys := keyring.Generate()
	var c gatehouse.Config
	h := newHouse(t, func(own *gatehouse.Config) { own.Keys = keys; c = *own })
	o := h.enroll("ada")
	c.Now = func() time.Time { return h.Now().Add(-20 * time.Second) }
	svc, err := gatehouse.New(h.Store, c)
	require.NoError(t, err)
	behind, err := passkey.New(svc, config())
	require.NoError(t, err)
	h.Wait(time.Minute)
	in := gatehouse.Session{Account: "ada", Secret: "browser"}
	for range 3 {
		for _, pk := range []*passkey.Service{h.pk, behind} {
			options, err := pk.StepUpOptions(ctx, in)
			_, err = pk.StepUp(ctx, in, h.get(o.phone, options, err))
			require.NoError(t, err)
		}
	}
}

// A copy that answers a server whose clock is ahead, near or far, costs the owner nothing on the others, where the next
// answer of a copy is told as well.
func TestCopiesAtClocksThatDiffer(t *testing.T) {
	ctx := t.Context()
	keys := keyring.Generate()
	for _, far := range []time.Duration{25 * time.Second, time.Minute} {
		var c gatehouse.Config
		h := newHouse(t, func(own *gatehouse.Config) { own.Keys = keys; c = *own })
		o := h.enroll("ada", func(a *passkeytest.Authenticator) { a.Count = 7 })
		clone := *o.phone
		in := gatehouse.Session{Account: "ada", Secret: "browser"}
		stepUp := func(pk *passkey.Service, phone *passkeytest.Authenticator) error {
			options, err := pk.StepUpOptions(ctx, in)
			_, err = pk.StepUp(ctx, in, h.get(phone, options, err))
			return err
		}
		ahead := func(by time.Duration) *passkey.Service {
			c.Now = func() time.Time { return h.Now().Add(by) }
			svc, err := gatehouse.New(h.Store, c)
			require.NoError(t, err)
			pk, err := passkey.New(svc, config())
			require.NoError(t, err)
			return pk
		}
		h.Wait(time.Minute)
		require.NoError(t, stepUp(ahead(20*time.Second), o.phone))
		require.ErrorIs(t, stepUp(ahead(far), &clone), gatehouse.ErrDenied)
		require.Equal(t, event.PasskeySuspect, o.view().Activity[0].Kind)
		if far < 30*time.Second {
			h.told()
			clone.Count = 7
			require.ErrorIs(t, stepUp(h.pk, &clone), gatehouse.ErrDenied)
			require.Contains(t, h.told(), event.PasskeySuspect)
		}
		require.NoError(t, stepUp(h.pk, o.phone))
	}
}

// A registration ends as a sign-in does: with its time, with what ends its session's proof, and with the next one.
func TestRegistrationsEnd(t *testing.T) {
	ctx := t.Context()
	for name, c := range map[string]struct {
		ends func(h *house, in gatehouse.Session, id string)
		want error
	}{
		"the challenge's time":  {func(h *house, _ gatehouse.Session, _ string) { h.Wait(5*time.Minute + time.Second) }, gatehouse.ErrDenied},
		"the enrollment's time": {func(h *house, _ gatehouse.Session, _ string) { h.Wait(10*time.Minute + time.Second) }, gatehouse.ErrNotFound},
		"the next one": {func(h *house, in gatehouse.Session, _ string) {
			_, _, err := h.pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "ada"})
			require.NoError(t, err)
		}, gatehouse.ErrNotFound},
		"an app instead": {func(h *house, in gatehouse.Session, _ string) {
			_, err := h.Owner(in).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
			require.NoError(t, err)
		}, gatehouse.ErrNotFound},
		"cancel": {func(h *house, in gatehouse.Session, id string) {
			require.NoError(t, h.Owner(in).CancelEnrollment(ctx, id))
		}, gatehouse.ErrNotFound},
		"a new password": {func(h *house, _ gatehouse.Session, _ string) {
			require.NoError(t, h.Operator("op").PasswordChanged(ctx, "ada", gatehouse.KeepTokens))
		}, gatehouse.ErrStepUpRequired},
		"a suspension": {func(h *house, _ gatehouse.Session, _ string) {
			require.NoError(t, h.Operator("op").Suspend(ctx, "ada"))
		}, gatehouse.ErrStepUpRequired},
		"a restore": {func(h *house, _ gatehouse.Session, _ string) {
			_, err := h.Operator("op").AfterRestore(ctx, gatehouse.Restoration{}, "", nil)
			require.NoError(t, err)
		}, gatehouse.ErrStepUpRequired},
		"itself": {func(h *house, _ gatehouse.Session, _ string) {}, nil},
	} {
		h := newHouse(t)
		in := h.vouch("ada")
		enr, options, err := h.pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "ada"})
		require.NoError(t, err)
		response, err := passkeytest.New(origin).Create(options)
		require.NoError(t, err)
		c.ends(h, in, enr.ID)
		before := (&owner{h: h, id: "ada"}).view()
		_, err = h.pk.FinishRegistration(ctx, in, enr.ID, response)
		if c.want == nil {
			require.NoError(t, err)
			_, err = h.pk.FinishRegistration(ctx, in, enr.ID, response)
			require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "it has ended the proof that it was made with")
			continue
		}
		require.ErrorIs(t, err, c.want, name)
		require.Empty(t, before.Authenticators, name)
		require.Empty(t, (&owner{h: h, id: "ada"}).view().Authenticators, name)
	}
}

// A passkey takes the place of another one, or of an app, when it is there and not before.
func TestReplace(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	o := h.enroll("ada")
	replace := func(id string, phone *passkeytest.Authenticator) string {
		enr, options, err := h.pk.BeginRegistration(ctx, o.in, gatehouse.EnrollmentRequest{Label: "ada", Replace: id})
		require.NoError(t, err)
		require.Equal(t, id, o.view().Authenticators[0].ID, "it is there still")
		response, err := phone.Create(options)
		require.NoError(t, err)
		o.in.Proof, err = h.pk.FinishRegistration(ctx, o.in, enr.ID, response)
		require.NoError(t, err)
		return enr.ID
	}
	laptop := passkeytest.New(origin)
	id := replace(o.key, laptop)
	require.Equal(t, id, o.view().Authenticators[0].ID)
	require.Len(t, o.view().Authenticators, 1)
	options, _ := o.ask("step-up", "browser")
	_, err := o.phone.Get(options)
	require.ErrorIs(t, err, passkeytest.ErrNotAllowed)
	o.accepted("step-up", laptop, "the new one")

	app := h.Enroll(t, "eve")
	o = &owner{h: h, id: "eve", phone: passkeytest.New(origin), in: app.Session()}
	id = replace(app.AuthenticatorID, o.phone)
	require.Equal(t, id, o.view().Authenticators[0].ID)
	require.Equal(t, event.MethodPasskey, o.view().Authenticators[0].Kind)
	require.Len(t, o.view().Authenticators, 1)
	require.Equal(t, 10, o.view().RecoveryCodes.Left, "codes stay")
}

// deleted is what a deletion comes to, without what its owner had yet to be told.
func deleted(_ []event.Notice, err error) error { return err }
