package attack_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

// pairing is an enrollment that a session has begun.
type pairing struct {
	h     *house
	proof gatehouse.Proof // that began it, of the session "here"
	enr   gatehouse.Enrollment
}

const labeled = "ada@acme.test (Téléphone 2)"

func beginHere(t *testing.T, edit ...func(*settings)) *pairing {
	t.Helper()
	h := newHouse(t, edit...)
	p := &pairing{h: h, proof: h.vouch("ada", "here")}
	var err error
	p.enr, err = h.Owner(p.proof, "here").BeginEnrollment(t.Context(), gatehouse.EnrollmentRequest{Label: labeled, Name: "Phone"})
	require.NoError(t, err)
	return p
}

// again shows the enrollment to a session.
func (p *pairing) again(proof gatehouse.Proof, session string) (gatehouse.Enrollment, error) {
	return p.h.Owner(proof, session).BeginEnrollment(context.Background(), gatehouse.EnrollmentRequest{Resume: p.enr.ID})
}

func (p *pairing) requireShown() {
	p.h.t.Helper()
	var got gatehouse.Enrollment
	p.h.unchanged(func() {
		var err error
		got, err = p.again(p.proof, "here")
		require.NoError(p.h.t, err)
	})
	require.Equal(p.h.t, p.enr.URI(), got.URI())
	require.Equal(p.h.t, p.enr.QR.SVG(), got.QR.SVG())
	require.Equal(p.h.t, dumped(p.enr), dumped(got))
}

// dumped is an enrollment as text, with its secrets.
func dumped(e gatehouse.Enrollment) string {
	var codes []string
	for _, c := range e.RecoveryCodes {
		codes = append(codes, c.Reveal())
	}
	return fmt.Sprint(e.ID, e.Expires, e.RecoverySetID, codes, e.Secret.Reveal(), e.URI())
}

// Row "Pages": what a pairing has shown is shown again, as it was, and only to the session that began it.
func TestResume(t *testing.T) {
	ctx := context.Background()
	p := beginHere(t)
	h := p.h
	require.Len(t, p.enr.RecoveryCodes, 10)
	p.requireShown()
	face := h.Owner(p.proof, "here")
	_, err := face.ConfirmEnrollment(ctx, p.enr.ID, "000000")
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	require.NoError(t, face.AcknowledgeRecoveryCodes(ctx, p.enr.RecoverySetID))
	h.wait(10*time.Minute - time.Second)
	p.requireShown()

	// At rest there is no word of it.
	for _, r := range h.records() {
		for _, secret := range []string{p.enr.RecoveryCodes[0].Reveal(), p.enr.Secret.Reveal(), labeled, "ada@acme"} {
			require.NotContains(t, string(r.Data), secret)
		}
	}

	// Another session of the same account, with the very same kind of proof or with one of no session.
	for session, proof := range map[string]gatehouse.Proof{"there": h.vouch("ada", "there"), "": h.vouch("ada"), "anywhere": h.vouch("ada")} {
		_, err := p.again(proof, session)
		require.ErrorIs(t, err, gatehouse.ErrNotFound, session)
	}
	for _, session := range []string{"there", ""} { // with a proof that was stolen from this one
		_, err := p.again(p.proof, session)
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, session)
	}
	_, err = p.again(gatehouse.Proof{}, "here")
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	_, err = p.again(h.vouch("eve", "here"), "here")
	require.ErrorIs(t, err, gatehouse.ErrNotFound, "another account")
	_, err = face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Resume: "another"})
	require.ErrorIs(t, err, gatehouse.ErrNotFound)
	_, err = face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Resume: p.enr.ID, Label: "x"})
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	p.requireShown()

	// A session that has no secret cannot be told from others.
	p.enr, err = h.Owner(h.vouch("ada")).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.NoError(t, err)
	require.Nil(t, h.account("ada").Pending.Kept)
	_, err = p.again(h.vouch("ada"), "")
	require.ErrorIs(t, err, gatehouse.ErrNotFound)
}

// Whatever ends an enrollment ends that it is shown, and leaves nothing of it in the record.
func TestResumeEnds(t *testing.T) {
	ctx := context.Background()
	for name, end := range map[string]func(*pairing) error{
		"confirmed": func(p *pairing) error {
			code := (&owner{h: p.h, key: keyOf(p.enr, 6)}).code()
			proof, err := p.h.Owner(p.proof, "here").ConfirmEnrollment(ctx, p.enr.ID, code)
			p.proof = proof
			return err
		},
		"canceled": func(p *pairing) error { return p.h.Owner(p.proof, "here").CancelEnrollment(ctx, p.enr.ID) },
		"begun again": func(p *pairing) error {
			_, err := p.h.Owner(p.proof, "here").BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
			return err
		},
		"ten wrong codes": func(p *pairing) error {
			for range 10 {
				_, err := p.h.Owner(p.proof, "here").ConfirmEnrollment(ctx, p.enr.ID, "000000")
				if !errors.Is(err, gatehouse.ErrDenied) {
					return err
				}
			}
			return nil
		},
		"a new password": func(p *pairing) error {
			return p.h.Operator("system").PasswordChanged(ctx, "ada", gatehouse.KeepTokens)
		},
		"a restore": func(p *pairing) error {
			_, err := p.h.Operator("op").AfterRestore(ctx, gatehouse.Restoration{}, "", nil)
			return err
		},
		"deletion": func(p *pairing) error { return deleted(p.h.Operator("op").DeleteAccount(ctx, "ada")) },
		"expired": func(p *pairing) error { // and what is saved next leaves it out
			p.h.wait(10 * time.Minute)
			_, err := p.again(p.h.vouch("ada", "here"), "here")
			require.ErrorIs(t, err, gatehouse.ErrNotFound)
			return p.h.Operator("op").Suspend(ctx, "ada")
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := beginHere(t)
			sealed := string(p.h.account("ada").Pending.Kept.Sealed)
			require.NoError(t, end(p))
			_, err := p.again(p.proof, "here")
			require.True(t, errors.Is(err, gatehouse.ErrNotFound) || errors.Is(err, gatehouse.ErrStepUpRequired), err)
			for _, r := range p.h.records() {
				require.NotContains(t, string(r.Data), sealed)
			}
		})
	}
}

// What an expired enrollment has kept is not in what is saved next.
func TestResumeExpired(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("ada")
	v, err := h.Service.StepUp(ctx, gatehouse.Session{Account: "ada", Secret: "here"}, o.code())
	require.NoError(t, err)
	_, err = h.Owner(v.Session.Proof, "here").BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x"})
	require.NoError(t, err)
	kept := h.account("ada").Pending.Kept
	h.wait(10*time.Minute - time.Second)
	o.fails(1)
	require.Equal(t, kept, h.account("ada").Pending.Kept)
	h.wait(time.Second)
	o.fails(1)
	require.NotNil(t, h.account("ada").Pending)
	require.Nil(t, h.account("ada").Pending.Kept)
}

// A replacement is shown again to the session with a recovery code's proof.
func TestResumeOfReplacement(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("ada")
	v, err := h.Service.StepUp(ctx, gatehouse.Session{Account: "ada", Secret: "here"}, o.codes[0].Reveal())
	require.NoError(t, err)
	face := h.Owner(v.Session.Proof, "here")
	enr, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x", Replace: o.auth})
	require.NoError(t, err)
	got, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Resume: enr.ID})
	require.NoError(t, err)
	require.Equal(t, dumped(enr), dumped(got))
	require.Empty(t, got.RecoveryCodes)
}

// What was sealed opens for this enrollment in this session alone, also for somebody who writes to the store; and a fault
// of the keys is one, and no "not found".
func TestResumeForged(t *testing.T) {
	seen := new(spy)
	p := beginHere(t, spied(seen))
	h := p.h
	var binding keyring.Binding
	seen.open = func(ctx context.Context, sealed []byte, b keyring.Binding) ([]byte, error) {
		if b.Purpose == "pairing" {
			binding = b
		}
		return seen.Ring.Open(ctx, sealed, b)
	}
	p.requireShown()
	require.Equal(t, "ada", binding.Account)
	require.True(t, strings.HasPrefix(binding.Item, p.enr.ID+" "))

	a, before := h.account("ada"), h.record("ada").Data
	a.Pending.Kept = &core.Kept{Session: string(engine.Digest("there")), Sealed: a.Pending.Kept.Sealed}
	forged, err := a.Encode()
	require.NoError(t, err)
	h.put("ada", forged)
	_, err = p.again(h.vouch("ada", "there"), "there")
	require.ErrorIs(t, err, keyring.ErrOpen)
	require.False(t, isAnswer(err))
	h.put("ada", before)

	for name, open := range map[string]func(b keyring.Binding) ([]byte, error){
		"a fault":       func(keyring.Binding) ([]byte, error) { return nil, errStore },
		"nothing":       func(keyring.Binding) ([]byte, error) { return nil, nil },
		"another value": func(keyring.Binding) ([]byte, error) { return []byte(`{"l":"x","c":["AAAA"]}`), nil },
		"too few codes": func(keyring.Binding) ([]byte, error) { return []byte(`{"l":"x"}`), nil },
		"no label":      func(keyring.Binding) ([]byte, error) { return []byte(`{}`), nil },
	} {
		seen.open = func(ctx context.Context, sealed []byte, b keyring.Binding) ([]byte, error) {
			if b.Purpose == "pairing" {
				return open(b)
			}
			return seen.Ring.Open(ctx, sealed, b)
		}
		got, err := p.again(p.proof, "here")
		require.Error(t, err, name)
		require.False(t, isAnswer(err), name)
		require.Zero(t, got, name)
	}
	seen.open = nil
	p.requireShown()

	// It is not begun where it cannot be kept.
	seen.seal = func(ctx context.Context, plain []byte, b keyring.Binding) ([]byte, error) {
		if b.Purpose == "pairing" {
			return nil, errStore
		}
		return seen.Ring.Seal(ctx, plain, b)
	}
	h.unchanged(func() {
		_, err := h.Owner(p.proof, "here").BeginEnrollment(t.Context(), gatehouse.EnrollmentRequest{Label: "x"})
		require.ErrorIs(t, err, errStore)
	})
}

// A key that is retired takes along what is kept under it, and the pairing can still be finished.
func TestResumeAfterReseal(t *testing.T) {
	ctx := context.Background()
	p := beginHere(t)
	svc, _ := p.h.rotated(p.h.store)
	_, err := svc.Operator("rotation").Reseal(ctx, "", nil)
	require.NoError(t, err)
	in := gatehouse.Session{Account: "ada", Secret: "here", Proof: p.proof}
	_, err = svc.Owner(in).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Resume: p.enr.ID})
	require.ErrorIs(t, err, gatehouse.ErrNotFound)
	require.Nil(t, p.h.account("ada").Pending.Kept)
	_, err = svc.Owner(in).ConfirmEnrollment(ctx, p.enr.ID, (&owner{h: p.h, key: keyOf(p.enr, 6)}).code())
	require.NoError(t, err)
}

// The save whose reply was lost keeps what the caller was shown.
func TestResumeAfterLostReply(t *testing.T) {
	store := &faulty{Store: memory.New()}
	h := houseOn(t, store)
	h.store = store.Store
	p := &pairing{h: h, proof: h.vouch("ada", "here")}
	lost := false
	store.hook = func(_ int64, call string) (f fault) {
		if call == "save" && !lost {
			lost, f.after = true, errStore
		}
		return f
	}
	var err error
	p.enr, err = h.Owner(p.proof, "here").BeginEnrollment(t.Context(), gatehouse.EnrollmentRequest{Label: "x"})
	store.hook = nil
	if err != nil { // then the caller was shown nothing
		require.ErrorIs(t, err, errStore)
		p.enr, err = h.Owner(p.proof, "here").BeginEnrollment(t.Context(), gatehouse.EnrollmentRequest{Label: "x"})
		require.NoError(t, err)
	}
	require.True(t, lost)
	p.requireShown()
}
