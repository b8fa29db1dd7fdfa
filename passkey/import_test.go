package passkey_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// elsewhere is an account with passkeys in another system, which this one has as other systems have it.
type elsewhere struct {
	*owner
	handle []byte
	creds  []passkey.ImportCredential
}

// elsewhere registers passkeys of some authenticators at another service.
func (h *house) elsewhere(phones ...*passkeytest.Authenticator) elsewhere {
	h.t.Helper()
	o := newHouse(h.t).enroll("ada", func(a *passkeytest.Authenticator) { *a = *phones[0] })
	*phones[0] = *o.phone
	for _, phone := range phones[1:] {
		o.add(phone)
	}
	r, err := o.h.Store.LoadAccount(h.t.Context(), "ada")
	require.NoError(h.t, err)
	a, err := core.Decode("ada", r.Data)
	require.NoError(h.t, err)
	e := elsewhere{owner: o, handle: a.Handle[:]}
	for i, k := range a.Passkeys {
		e.creds = append(e.creds, passkey.ImportCredential{
			ID: k.Credential, PublicKey: k.PublicKey, SignCount: k.Count, AAGUID: k.AAGUID, Transports: phones[i].Transports,
			UserVerified: k.Verified, BackupEligible: k.Eligible, BackedUp: k.BackedUp,
		})
	}
	return e
}

// An imported passkey goes on as if it had been made here: the same answers are accepted and denied, at each ceremony.
func TestImportDiffersInNothing(t *testing.T) {
	ctx := t.Context()
	for _, alg := range []passkeytest.Algorithm{passkeytest.ES256, passkeytest.EdDSA, passkeytest.RS256} {
		h := newHouse(t)
		phone, stick := passkeytest.New(origin), passkeytest.New(origin)
		phone.Algorithm, phone.Count = alg, 40
		stick.Eligible, stick.BackedUp, stick.AAGUID = true, true, [16]byte{1}
		theirs := h.elsewhere(phone, stick)
		r, err := h.pk.Import(ctx, h.Operator("migration").Because("ticket 7"), "ada", passkey.Import{Handle: theirs.handle, Credentials: theirs.creds})
		require.NoError(t, err)
		require.True(t, r.SignsIn)
		require.Equal(t, []gatehouse.ImportOutcome{"brought", "brought"}, r.Credentials)
		require.Equal(t, event.AccountImported, h.told()[0])
		ours := &owner{h: h, id: "ada", phone: phone}
		for i, auth := range ours.view().Authenticators {
			was := theirs.view().Authenticators[i]
			require.NotEqual(t, was.ID, auth.ID)
			auth.ID, auth.LastUsed = was.ID, was.LastUsed
			require.Equal(t, was, auth)
		}
		for _, tamper := range []func(*passkeytest.Draft){
			nil, passkeytest.WrongOrigin, passkeytest.WrongRPID, passkeytest.WrongSignature, passkeytest.NotPresent, passkeytest.BackedUpAlone,
			passkeytest.NotVerified, func(d *passkeytest.Draft) { d.Count = 3 }, func(d *passkeytest.Draft) { d.Flags ^= passkeytest.FlagEligible },
		} {
			for _, kind := range kinds {
				for _, a := range []*passkeytest.Authenticator{phone, stick} {
					a.Tamper = tamper
					var outcomes [2]bool
					count := a.Count
					for i, o := range []*owner{ours, theirs.owner} {
						a.Count = count
						options, take := o.ask(kind, "browser")
						_, err := take(h.get(a, options, nil))
						outcomes[i] = err == nil
						if err != nil {
							require.ErrorIs(t, err, gatehouse.ErrDenied)
						}
					}
					require.Equal(t, outcomes[1], outcomes[0])
					a.Tamper = nil
				}
			}
			h.Wait(gatehouseLock)
			theirs.h.Wait(gatehouseLock)
		}
	}
}

// gatehouseLock is long enough for the throttle to forget.
const gatehouseLock = 3 * 60e9

// What cannot be brought is named, the rest is, and again it changes nothing.
func TestImportOutcomes(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	phone := passkeytest.New(origin)
	c := h.elsewhere(phone).creds[0]
	with := func(edit func(*passkey.ImportCredential)) passkey.ImportCredential {
		other := c
		other.ID = bytes.Repeat([]byte{byte(len(c.ID)), 1}, 8)
		edit(&other)
		return other
	}
	in := passkey.Import{Credentials: []passkey.ImportCredential{
		c, c,
		with(func(c *passkey.ImportCredential) { c.PublicKey = nil }),
		with(func(c *passkey.ImportCredential) { c.PublicKey = []byte("no key") }),
		with(func(c *passkey.ImportCredential) { c.ID = nil }),
		with(func(c *passkey.ImportCredential) { c.ID = make([]byte, 1024) }),
		with(func(c *passkey.ImportCredential) { c.BackedUp = true }),
		with(func(c *passkey.ImportCredential) {
			c.Transports, c.Name = []string{"telepathy", "usb"}, "Key"
		}),
	}}
	for n := range byte(10) {
		in.Credentials = append(in.Credentials, with(func(c *passkey.ImportCredential) { c.ID = []byte{n} }))
	}
	r, err := h.pk.Import(ctx, h.Operator("op"), "ada", in)
	require.NoError(t, err)
	require.False(t, r.SignsIn)
	want := []gatehouse.ImportOutcome{"brought", "duplicate", "bad_passkey", "bad_passkey", "bad_passkey", "bad_passkey", "bad_passkey", "brought"}
	for range 8 {
		want = append(want, "brought")
	}
	want = append(want, "too_many", "too_many")
	require.Equal(t, want, r.Credentials)
	o := &owner{h: h, id: "ada", phone: phone, in: gatehouse.Session{Account: "ada", Secret: "browser"}}
	auths := o.view().Authenticators
	require.Equal(t, "Passkey", auths[0].Name)
	require.Equal(t, "Key", auths[1].Name)
	require.Len(t, auths, 10)
	before := o.stored()
	r, err = h.pk.Import(ctx, h.Operator("op"), "ada", in)
	require.NoError(t, err)
	require.Equal(t, gatehouse.ImportOutcome("there"), r.Credentials[0])
	require.Equal(t, before, o.stored())

	// Under a handle that is not ours it is the second factor alone, and its owner's manager keeps it.
	o.accepted("answer", phone, "the second step")
	o.accepted("step-up", phone, "step-up")
	for _, handle := range [][]byte{[]byte("7"), bytes.Repeat([]byte{7}, 32), make([]byte, 64)} {
		phone.Tamper = func(d *passkeytest.Draft) { d.UserHandle = handle }
		options, take := o.ask("sign-in", "browser")
		response := h.get(phone, options, nil)
		o.denied(take, response, false, "no account has the handle")
		signal, err := h.pk.UnknownSignal(ctx, response)
		require.NoError(t, err)
		require.Nil(t, signal)
	}

	for name, bad := range map[string]passkey.Import{
		"a long handle": {Handle: make([]byte, 65), Credentials: []passkey.ImportCredential{c}},
		"a name":        {Credentials: []passkey.ImportCredential{with(func(c *passkey.ImportCredential) { c.Name = " x" })}},
	} {
		_, err := h.pk.Import(ctx, h.Operator("op"), "eve", bad)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, name)
	}
	r, err = h.pk.Import(ctx, h.Operator("op"), "eve", passkey.Import{Credentials: []passkey.ImportCredential{{}}})
	require.NoError(t, err)
	require.Equal(t, passkey.ImportResult{Credentials: []gatehouse.ImportOutcome{"bad_passkey"}}, r)
	_, err = h.pk.Import(ctx, h.Operator(""), "eve", in)
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	own := h.enroll("rex")
	_, err = h.pk.Import(ctx, h.Operator("op"), "rex", in)
	require.ErrorIs(t, err, gatehouse.ErrPrecondition, "its second factor is its owner's")
	require.Len(t, own.view().Authenticators, 1)
}

// Of a system that has kept no flags, the first use tells them, once.
func TestImportWithoutFlags(t *testing.T) {
	h := newHouse(t)
	phone := passkeytest.New(origin)
	phone.Eligible = true
	c := h.elsewhere(phone).creds[0]
	c.BackupEligible, c.FlagsUnknown = false, true
	_, err := h.pk.Import(t.Context(), h.Operator("op"), "ada", passkey.Import{Credentials: []passkey.ImportCredential{c}})
	require.NoError(t, err)
	o := &owner{h: h, id: "ada", phone: phone, in: gatehouse.Session{Account: "ada", Secret: "browser"}}
	require.False(t, o.view().Authenticators[0].Synced)
	o.accepted("step-up", phone, "the first use")
	require.True(t, o.view().Authenticators[0].Synced)
	phone.Eligible = false
	options, take := o.ask("step-up", "browser")
	o.denied(take, h.get(phone, options, nil), true, "from then on it does not change")
}

// The handle of a registration that came to nothing does not keep out that of the passkeys which there are.
func TestImportAfterARegistrationThatCameToNothing(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	in := h.vouch("ada")
	enr, options, err := h.pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	phone := passkeytest.New(origin)
	theirs := h.elsewhere(phone)
	r, err := h.pk.Import(ctx, h.Operator("op"), "ada", passkey.Import{Handle: theirs.handle, Credentials: theirs.creds})
	require.NoError(t, err)
	require.True(t, r.SignsIn)
	o := &owner{h: h, id: "ada", phone: phone, in: gatehouse.Session{Secret: "browser"}}
	o.accepted("sign-in", phone, "under its own handle")
	late, err := passkeytest.New(origin).Create(options)
	require.NoError(t, err)
	_, err = h.pk.FinishRegistration(ctx, in, enr.ID, late)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "that would be under another one")
}

// Two accounts cannot have one handle: nobody could say who signs in.
func TestImportedHandleOfAnother(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	phone := passkeytest.New(origin)
	theirs := h.elsewhere(phone)
	_, err := h.pk.Import(ctx, h.Operator("op"), "ada", passkey.Import{Handle: theirs.handle, Credentials: theirs.creds})
	require.NoError(t, err)
	_, err = h.pk.Import(ctx, h.Operator("op"), "eve", passkey.Import{Handle: theirs.handle, Credentials: theirs.creds})
	require.Error(t, err)
	require.NotErrorIs(t, err, gatehouse.ErrDenied)
	a, err := h.Account(ctx, "eve")
	require.NoError(t, err)
	require.False(t, a.Protected)
	o := &owner{h: h, id: "ada", phone: phone, in: gatehouse.Session{Secret: "browser"}}
	o.accepted("sign-in", phone, "as before")
}
