package passkey_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// Whatever is wrong with what an authenticator signs, one thing at a time: it is denied at each ceremony and counted,
// and the same passkey is accepted right after.
func TestWrongAssertions(t *testing.T) {
	flip := func(flag byte) func(*passkeytest.Draft) { return func(d *passkeytest.Draft) { d.Flags ^= flag } }
	for name, tamper := range map[string]func(*passkeytest.Draft){
		"type": passkeytest.WrongType, "a registration's type": func(d *passkeytest.Draft) { d.Type = "webauthn.create" },
		"origin": passkeytest.WrongOrigin, "a neighbor's origin": func(d *passkeytest.Draft) { d.Origin = "https://shop.acme.test" },
		"http": func(d *passkeytest.Draft) { d.Origin = "http://login.acme.test" }, "a frame": passkeytest.InForeignFrame,
		"RP ID": passkeytest.WrongRPID, "signature": passkeytest.WrongSignature, "not present": passkeytest.NotPresent,
		"backed up, not eligible": passkeytest.BackedUpAlone, "suddenly eligible": flip(passkeytest.FlagEligible),
		"suddenly synced":         flip(passkeytest.FlagEligible | passkeytest.FlagBackedUp),
		"counter back":            func(d *passkeytest.Draft) { d.Count -= 2 },
		"counter same":            func(d *passkeytest.Draft) { d.Count-- },
		"counter gone":            func(d *passkeytest.Draft) { d.Count = 0 },
		"attested data":           flip(passkeytest.FlagCredential),
		"extensions that are not": flip(passkeytest.FlagExtensions),
		"more after it":           func(d *passkeytest.Draft) { d.Extensions = []byte{0xa0} },
		"authenticator data, cut": func(d *passkeytest.Draft) { d.AuthData = make([]byte, 36) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			o := h.enroll("ada", func(a *passkeytest.Authenticator) { a.Count = 7 })
			for _, kind := range kinds {
				o.phone.Tamper = tamper
				options, take := o.ask(kind, "browser")
				response := h.get(o.phone, options, nil)
				o.phone.Tamper = nil
				h.told()
				o.denied(take, response, true, kind)
				events := h.told()
				require.Equal(t, event.CodeDenied, events[0])
				require.Equal(t, strings.HasPrefix(name, "counter") || strings.HasPrefix(name, "suddenly"), len(events) > 1 && events[1] == event.PasskeySuspect, events)
				o.accepted(kind, o.phone, kind)
			}
		})
	}
}

// What is no response at all, or answers nothing that was asked, is denied and not counted: nobody is locked out by it.
func TestNoAssertions(t *testing.T) {
	h := newHouse(t)
	o := h.enroll("ada")
	for _, kind := range kinds {
		options, take := o.ask(kind, "browser")
		response := h.get(o.phone, options, nil)
		for name, bad := range map[string][]byte{
			"nothing": nil, "empty": {}, "no JSON": []byte("not JSON"), "a number": []byte("1"), "null": []byte("null"), "an object": []byte("{}"),
			"cut": response[:len(response)-1], "twice": append(bytes.Clone(response), response...), "the options": options,
			"a megabyte": append(bytes.Clone(response), bytes.Repeat([]byte(" "), 1<<20)...),
			"deep":       []byte(strings.Repeat("[", 10_000)), "no UTF-8": bytes.Replace(response, []byte("public-key"), []byte("public-\xffkey"), 1),
			"another type":         bytes.Replace(response, []byte("public-key"), []byte("password"), 1),
			"two IDs":              bytes.Replace(response, []byte(`"rawId":"`), []byte(`"rawId":"AA`), 1),
			"another credential's": bytes.ReplaceAll(response, []byte(idOf(response)), []byte("AAAA")),
		} {
			o.denied(take, bad, false, kind+": "+name)
		}
		_, err := take([]byte("{}"))
		require.ErrorContains(t, err, "malformed", "whoever builds a client sees why")
		_, err = take(response)
		require.NoError(t, err, kind)
		o.phone.Tamper = passkeytest.WrongSignature
		options, take = o.ask(kind, "browser")
		_, err = take(h.get(o.phone, options, nil))
		o.phone.Tamper = nil
		require.EqualError(t, err, gatehouse.ErrDenied.Error(), "whoever attacks one does not")
	}
}

// idOf returns the credential ID of a response, in base64url.
func idOf(response []byte) string {
	_, rest, _ := bytes.Cut(response, []byte(`"id":"`))
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(id)
}

// A sign-in without a password needs a verified user. As the second factor one who was there is enough.
func TestUserVerification(t *testing.T) {
	h := newHouse(t)
	o := h.enroll("ada", func(a *passkeytest.Authenticator) { a.UserVerified = false })
	require.False(t, o.view().Authenticators[0].UserVerified)
	for _, kind := range kinds[:2] {
		v := o.accepted(kind, o.phone, kind)
		info, err := h.CheckProof(t.Context(), v.Session, time.Minute)
		require.NoError(t, err)
		require.True(t, info.SecondFactor && info.PhishingResistant)
		require.False(t, info.UserVerified)
		require.Equal(t, 2, info.AAL)
	}
	options, take := o.ask("sign-in", "browser")
	_, err := o.phone.Get(options)
	require.ErrorIs(t, err, passkeytest.ErrNotAllowed, "a browser does not even try")
	o.phone.UserVerified, o.phone.Tamper = true, passkeytest.NotVerified
	o.denied(take, h.get(o.phone, options, nil), true, "one that lies")
	o.phone.Tamper = nil
	o.accepted("sign-in", o.phone, "verified")
	require.True(t, o.view().Authenticators[0].UserVerified)
}

// A counter that is at its end does not begin again, and a passkey that has never counted may go on so.
func TestCounterOverflow(t *testing.T) {
	h := newHouse(t)
	o := h.enroll("ada", func(a *passkeytest.Authenticator) { a.Count = 1<<32 - 2 })
	o.accepted("step-up", o.phone, "the last one")
	for _, count := range []uint32{0, 1, 1<<32 - 1} {
		options, take := o.ask("step-up", "browser")
		o.phone.Count = count
		o.denied(take, h.get(o.phone, options, nil), true, "over")
	}
	o = h.enroll("eve")
	o.accepted("step-up", o.phone, "zero")
	o.phone.Count = 5
	o.accepted("step-up", o.phone, "it begins to count")
	o.phone.Count = 0
	options, take := o.ask("step-up", "browser")
	o.denied(take, h.get(o.phone, options, nil), true, "and stops")
}

// A suspect passkey is denied and stays: its owner answers with something else and removes it. What it has signed uses its
// challenge up: posted again, it is told as a replay, and no more of them are kept than of other wrong ones.
func TestClone(t *testing.T) {
	h := newHouse(t)
	o := h.enroll("ada", func(a *passkeytest.Authenticator) { a.Count = 7 })
	clone := *o.phone
	o.accepted("answer", o.phone, "the owner")
	o.accepted("answer", o.phone, "the owner")
	options, take := o.ask("answer", "thief")
	h.told()
	_, err := take(h.get(&clone, options, nil))
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	require.Contains(t, h.told(), event.PasskeySuspect)
	require.Equal(t, event.PasskeySuspect, o.view().Activity[0].Kind)
	for _, kind := range []string{"step-up", "sign-in"} { // the challenge of an answer is over in any case
		options, take := o.ask(kind, "thief")
		clone.Count = 7
		response := h.get(&clone, options, nil)
		o.denied(take, response, true, kind)
		require.Contains(t, h.told(), event.PasskeySuspect)
		for range 10 {
			_, err := take(response)
			require.ErrorIs(t, err, gatehouse.ErrDenied)
		}
		require.NotContains(t, h.told(), event.PasskeySuspect, kind)
		o.denied(take, response, false, "the twelfth at "+kind)
	}
	o.accepted("sign-in", o.phone, "the owner's has the count")
	v, err := h.Answer(t.Context(), gatehouse.Session{}, o.challenge(), o.codes[0])
	require.NoError(t, err)
	require.Len(t, o.view().Authenticators, 1)
	require.Equal(t, event.MethodRecoveryCode, v.Method)
}

// A registration with one thing wrong is denied and counted for the enrollment, of which ten are the end. What is none,
// or belongs to another one, counts for nothing.
func TestWrongRegistrations(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t)
	in := h.vouch("ada")
	enr, options, err := h.pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	o := &owner{h: h, id: "ada", in: in}
	phone := passkeytest.New(origin)
	create := func(options []byte, tamper func(*passkeytest.Draft)) []byte {
		phone.Tamper = tamper
		response, err := phone.Create(options)
		require.NoError(t, err)
		phone.Tamper = nil
		return response
	}
	finish := func(id string) take {
		return func(response []byte) (gatehouse.Verification, error) {
			p, err := h.pk.FinishRegistration(ctx, in, id, response)
			require.Zero(t, p)
			return gatehouse.Verification{}, err
		}
	}
	good := create(options, nil)
	for name, bad := range map[string][]byte{
		"nothing": nil, "cut": good[:len(good)-1], "the options": options, "a megabyte": append(bytes.Clone(good), make([]byte, 1<<20)...),
		"another challenge": create(options, passkeytest.WrongChallenge),
	} {
		o.denied(finish(enr.ID), bad, false, name)
	}
	o.denied(finish("another"), good, false, "of another enrollment")
	other := h.vouch("eve")
	_, theirs, err := h.pk.BeginRegistration(ctx, other, gatehouse.EnrollmentRequest{Label: "eve"})
	require.NoError(t, err)
	o.denied(finish(enr.ID), create(theirs, nil), false, "of another account")
	_, err = h.pk.FinishRegistration(ctx, gatehouse.Session{Account: "ada", Secret: "another", Proof: in.Proof}, enr.ID, good)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "of another session")
	for name, tamper := range map[string]func(*passkeytest.Draft){
		"type": passkeytest.WrongType, "origin": passkeytest.WrongOrigin, "frame": passkeytest.InForeignFrame, "RP ID": passkeytest.WrongRPID,
		"not present": passkeytest.NotPresent, "flags": passkeytest.BackedUpAlone,
		"no credential": func(d *passkeytest.Draft) { d.Flags &^= passkeytest.FlagCredential },
		"a key of none": func(d *passkeytest.Draft) { d.PublicKey = []byte{0xa0} },
		"another ID":    func(d *passkeytest.Draft) { d.AuthData = []byte("short") },
	} {
		o.denied(finish(enr.ID), create(options, tamper), true, name)
	}
	pending := o.view().Pending
	require.Equal(t, 1, pending.TriesLeft)
	o.denied(finish(enr.ID), create(options, passkeytest.WrongOrigin), true, "the tenth")
	require.Nil(t, o.view().Pending)
	_, err = h.pk.FinishRegistration(ctx, in, enr.ID, good)
	require.ErrorIs(t, err, gatehouse.ErrNotFound)
	require.False(t, o.view().Protected)
}
