package attack_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// scene is an owner with two authenticators and an enrollment that is pending.
type scene struct {
	*owner
	two     *owner
	pending gatehouse.Enrollment
	key     totp.Key // of pending
}

// newScene stages an enrollment beside the two, or in the place of the second.
func newScene(t *testing.T, replacing bool) *scene {
	o := newHouse(t).enroll("user-42")
	s := &scene{owner: o, two: o.second()}
	e := gatehouse.EnrollmentRequest{Name: "Third"}
	if replacing {
		e.Replace = s.two.auth
	}
	s.pending, s.key = o.h.begin(o.stepUp(o.code()), e)
	o.h.wait(totp.Period)
	return s
}

// copy is the same scene on a store of its own.
func (s *scene) copy(t *testing.T) *scene {
	c := *s
	c.owner = s.owner.copy(t)
	return &c
}

// action is what a proof can be shown for.
type action struct {
	do func(s *scene, face face) error
	// age is how old the proof may be.
	age time.Duration
	// replacing is set for what completes a replacement.
	replacing bool
	// recovery is set for what a recovery code's proof is enough for.
	recovery bool
}

const (
	factorAge = 5 * time.Minute
	tokenAge  = 15 * time.Minute
)

var actions = func() map[string]action {
	ctx := context.Background()
	confirm := func(s *scene, f face) error {
		_, err := f.ConfirmEnrollment(ctx, s.pending.ID, s.h.codeOf(s.key, 0))
		return err
	}
	cancel := func(s *scene, f face) error { return f.CancelEnrollment(ctx, s.pending.ID) }
	return map[string]action{
		"begin": {func(s *scene, f face) error { return begun(f, gatehouse.EnrollmentRequest{Label: "ada"}) }, factorAge, false, false},
		"begin to replace": {func(s *scene, f face) error {
			return begun(f, gatehouse.EnrollmentRequest{Label: "ada", Replace: s.auth})
		}, factorAge, false, true},
		"confirm":               {confirm, tokenAge, false, false},
		"confirm a replacement": {confirm, tokenAge, true, true},
		"cancel":                {cancel, tokenAge, false, false},
		"cancel a replacement":  {cancel, tokenAge, true, true},
		"acknowledge": {func(s *scene, f face) error {
			return f.AcknowledgeRecoveryCodes(ctx, s.h.account(s.id).Recovery.ID)
		}, tokenAge, false, true},
		"regenerate":      {func(s *scene, f face) error { _, err := f.RegenerateRecoveryCodes(ctx); return err }, factorAge, false, true},
		"rename":          {func(s *scene, f face) error { return f.RenameAuthenticator(ctx, s.auth, "Mine") }, tokenAge, false, false},
		"remove":          {func(s *scene, f face) error { _, err := f.RemoveAuthenticator(ctx, s.two.auth); return err }, factorAge, false, false},
		"disable":         {func(s *scene, f face) error { _, err := f.DisableTwoFactor(ctx); return err }, factorAge, false, false},
		"unlock recovery": {func(s *scene, f face) error { return f.Unlock(ctx, event.MethodRecoveryCode) }, factorAge, false, false},
		// By a recovery code alone: whoever has guessed a code must not go on guessing.
		"unlock TOTP": {func(s *scene, f face) error { return f.Unlock(ctx, event.MethodTOTP) }, factorAge, false, true},
	}
}()

// TestEveryProofForEveryAction is the table of what each kind of proof is enough for, and for how long.
func TestEveryProofForEveryAction(t *testing.T) {
	t.Parallel()
	for _, replacing := range []bool{false, true} {
		template := newScene(t, replacing)
		for name, act := range actions {
			if act.replacing != replacing {
				continue
			}
			kinds := map[string]struct {
				make   func(s *scene) gatehouse.Proof
				enough bool
			}{
				"none":              {func(s *scene) gatehouse.Proof { return gatehouse.Proof{} }, false},
				"first factor":      {func(s *scene) gatehouse.Proof { return s.h.vouch(s.id) }, false},
				"step-up, TOTP":     {func(s *scene) gatehouse.Proof { return s.stepUp(s.code()) }, name != "unlock TOTP"},
				"step-up, recovery": {func(s *scene) gatehouse.Proof { return s.stepUp(s.codes[0].Reveal()) }, act.recovery},
				"sign-in, TOTP":     {func(s *scene) gatehouse.Proof { return must(s.signIn(s.code())).Session.Proof }, name != "unlock TOTP"},
				"sign-in, recovery": {func(s *scene) gatehouse.Proof { return must(s.signIn(s.codes[0].Reveal())).Session.Proof }, act.recovery},
			}
			for kind, k := range kinds {
				for _, age := range []time.Duration{-31 * time.Second, -30 * time.Second, 0, act.age, act.age + time.Second} {
					s := template.copy(t)
					issued := s.h.clock()
					p := k.make(s)
					s.h.set(issued.Add(age))
					if age >= 10*time.Minute && (name == "confirm" || name == "cancel" || replacing) {
						s.h.tamper(s.id, func(a *accountData) { a.Pending.Expires = issued.Add(age + time.Minute).Unix() })
					}
					before := s.h.dump()
					err := act.do(s, s.h.Owner(p))
					if k.enough && age >= -30*time.Second && age <= act.age {
						require.NoError(t, err, "%s with %s, %v old", name, kind, age)
						continue
					}
					require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "%s with %s, %v old", name, kind, age)
					require.Equal(t, before, s.h.dump())
				}
			}
		}
	}
}

// TestSessionOfAProof has proofs of one session, of another and of none.
func TestSessionOfAProof(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	proof := h.vouch("user-42", "session-1")
	wrong := []string{"", "session-2", "session-1 ", "Session-1", "session-1\x00"}
	refused := func(p gatehouse.Proof) {
		t.Helper()
		h.unchanged(func() {
			for _, secret := range wrong {
				err := h.Owner(p, secret).AcknowledgeRecoveryCodes(ctx, "none")
				require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
			}
			err := h.Owner(p, "session-1").AcknowledgeRecoveryCodes(ctx, "none")
			require.ErrorIs(t, err, gatehouse.ErrNotFound, "the session itself")
		})
	}
	refused(proof)
	face := h.Owner(proof, "session-1")
	enr, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	key := keyOf(enr, 6)
	successor, err := face.ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 0))
	require.NoError(t, err)
	refused(successor)
	h.wait(totp.Period)
	v, err := h.StepUp(ctx, "user-42", h.codeOf(key, 0), "session-1")
	require.NoError(t, err)
	refused(v.Session.Proof)
	challenge := must(h.Challenge(ctx, "user-42")).Token.Reveal()
	v, err = h.Answer(ctx, challenge, enr.RecoveryCodes[0].Reveal(), "session-1")
	require.NoError(t, err)
	refused(v.Session.Proof)

	// A proof without a secret is worth the same in each session.
	for _, secret := range append(wrong, "session-1") {
		require.ErrorIs(t, h.Owner(h.vouch("bare"), secret).AcknowledgeRecoveryCodes(ctx, "none"), gatehouse.ErrNotFound)
	}
}

// TestSuccessor has the proof after a confirmation: the old one ends, the new one is as old as it was
// and of what the owner has shown.
func TestSuccessor(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	attested := h.vouch("user-42")
	h.wait(4 * time.Minute)
	enr, key := h.begin(attested, gatehouse.EnrollmentRequest{})
	successor, err := h.Owner(attested).ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 0))
	require.NoError(t, err)
	for _, err := range takesProofs(h, attested, &owner{h: h, id: "user-42", key: key, auth: enr.ID}) {
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "the first factor's ended with the change")
	}
	// Two factors were shown, but the first of them four minutes ago.
	_, err = h.Owner(successor).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err, "a proof of both factors")
	h.set(begin.Add(5 * time.Minute))
	_, err = h.Owner(successor).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	h.set(begin.Add(5*time.Minute + time.Second))
	_, err = h.Owner(successor).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "a successor does not live longer")
	h.set(begin.Add(15 * time.Minute))
	require.NoError(t, h.Owner(successor).AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID))
	h.set(begin.Add(15*time.Minute + time.Second))
	require.ErrorIs(t, h.Owner(successor).AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID), gatehouse.ErrStepUpRequired)

	// What a recovery code has replaced gives a recovery code's proof.
	v, err := h.StepUp(ctx, "user-42", enr.RecoveryCodes[0].Reveal())
	require.NoError(t, err)
	next, nextKey := h.begin(v.Session.Proof, gatehouse.EnrollmentRequest{Replace: enr.ID})
	successor, err = h.Owner(v.Session.Proof).ConfirmEnrollment(ctx, next.ID, h.codeOf(nextKey, 0))
	require.NoError(t, err)
	h.unchanged(func() {
		_, err = h.Owner(successor).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
		_, err = h.Owner(successor).DisableTwoFactor(ctx)
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
	})
	require.NoError(t, h.Owner(successor).AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID), "the codes are those of before")
}

// TestAcknowledgeNamesTheSet has the active and the pending set, each under its ID alone.
func TestAcknowledgeNamesTheSet(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	proof := h.vouch("user-42")
	old, _ := h.begin(proof, gatehouse.EnrollmentRequest{})
	enr, key := h.begin(proof, gatehouse.EnrollmentRequest{})
	face := h.Owner(proof)
	require.ErrorIs(t, face.AcknowledgeRecoveryCodes(ctx, old.RecoverySetID), gatehouse.ErrNotFound, "a page that still shows an older set")
	require.True(t, must(h.Account(ctx, "user-42")).Pending.RecoveryCodes.Acknowledged.IsZero())
	h.wait(time.Minute)
	at := h.clock()
	require.NoError(t, face.AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID))
	h.wait(time.Minute)
	h.unchanged(func() {
		require.NoError(t, face.AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID), "again, with the first time kept")
	})
	p, err := face.ConfirmEnrollment(ctx, enr.ID, h.codeOf(key, 0))
	require.NoError(t, err)
	set := must(h.Account(ctx, "user-42")).RecoveryCodes
	require.Equal(t, gatehouse.RecoverySet{ID: enr.RecoverySetID, Total: 10, Left: 10, Created: begin, Acknowledged: at}, set)
	fresh, err := h.Owner(p).RegenerateRecoveryCodes(ctx)
	require.NoError(t, err)
	h.unchanged(func() {
		require.ErrorIs(t, h.Owner(fresh.Proof).AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID), gatehouse.ErrNotFound)
	})
	require.True(t, must(h.Account(ctx, "user-42")).RecoveryCodes.Acknowledged.IsZero(), "new codes are not saved yet")
}

// TestAttestOfAProtectedAccount has first factors that are nothing without the second.
func TestAttestOfAProtectedAccount(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	before := h.vouch("user-42") // while there was no second factor
	o := h.enroll("user-42")
	for _, p := range []gatehouse.Proof{before, h.vouch(o.id)} {
		h.unchanged(func() {
			for i, err := range takesProofs(h, p, o) {
				require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, i)
			}
		})
	}
	// A proof of two factors is not one of one: what was turned off is off for it as well.
	off, err := h.Owner(o.stepUp(o.code())).DisableTwoFactor(ctx)
	require.NoError(t, err)
	h.unchanged(func() {
		for i, err := range takesProofs(h, before, o) {
			require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, i)
		}
		require.ErrorIs(t, h.Owner(off).RenameAuthenticator(ctx, o.auth, "A"), gatehouse.ErrNotFound)
	})
}

// What Allowed says is what the methods do, for every kind of proof and as it grows old.
func TestAllowed(t *testing.T) {
	ctx := context.Background()
	kinds := map[string]func(h *house) (gatehouse.Proof, string){
		"none":     func(*house) (gatehouse.Proof, string) { return gatehouse.Proof{}, "" },
		"forged":   func(*house) (gatehouse.Proof, string) { return gatehouse.ParseProof("x"), "" },
		"attested": func(h *house) (gatehouse.Proof, string) { return h.vouch("user-42"), "" },
		"attested too late": func(h *house) (gatehouse.Proof, string) {
			h.enroll("user-42")
			return h.vouch("user-42"), ""
		},
		"second factor": func(h *house) (gatehouse.Proof, string) {
			return h.enroll("user-42").proof, ""
		},
		"recovery code": func(h *house) (gatehouse.Proof, string) {
			v, err := h.StepUp(ctx, "user-42", h.enroll("user-42").codes[0].Reveal())
			require.NoError(h.t, err)
			return v.Session.Proof, ""
		},
		"another session's": func(h *house) (gatehouse.Proof, string) {
			return h.vouch("user-42", "one"), "two"
		},
		"suspended": func(h *house) (gatehouse.Proof, string) {
			o := h.enroll("user-42")
			require.NoError(h.t, h.Operator("op").Because("x").Suspend(ctx, "user-42"))
			return o.proof, ""
		},
	}
	enough := map[string]func(o face) error{
		"Enroll": func(o face) error {
			_, err := o.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
			return err
		},
		"Replace": func(o face) error {
			_, err := o.RegenerateRecoveryCodes(ctx)
			return err
		},
		"Factors": func(o face) error {
			_, err := o.DisableTwoFactor(ctx)
			return err
		},
		"Revoke": func(o face) error { return o.RevokeAll(ctx) },
		"Tokens": func(o face) error {
			_, err := o.Mint(ctx, tokens.Request{Name: "x", Scopes: tokens.Scopes{"projects:read"}})
			return err
		},
	}
	seen := map[string]map[bool]bool{}
	for kind, proofOf := range kinds {
		for what, call := range enough {
			for _, age := range []time.Duration{0, 4*time.Minute + 30*time.Second, 6 * time.Minute, 14*time.Minute + 30*time.Second, 16 * time.Minute} {
				h := newHouse(t, withTokens(t))
				p, opts := proofOf(h)
				h.wait(age)
				face := h.Owner(p, opts)
				may, err := face.Permissions(ctx)
				require.NoError(t, err)
				err = call(face)
				said := reflect.ValueOf(may).FieldByName(what).Bool()
				suspended := kind == "suspended"
				require.Equal(t, !errors.Is(err, gatehouse.ErrStepUpRequired) && !suspended, said, "%s, %s after %v: %v", kind, what, age, err)
				if seen[what] == nil {
					seen[what] = map[bool]bool{}
				}
				seen[what][said] = true
			}
		}
	}
	for what, both := range seen {
		require.Len(t, both, 2, what)
	}

	store := gatehousetest.NewStore(memory.New())
	h := houseOn(t, store)
	p := h.enroll("user-42").proof
	store.Inject(gatehousetest.On("LoadAccount", gatehousetest.Fail))
	_, err := h.Owner(p).Permissions(ctx)
	require.Error(t, err)
	require.NotErrorIs(t, err, gatehouse.ErrStepUpRequired)
}

// A proof and a challenge of another account than the host's session has are refused everywhere, and so is a proof where
// the session has no account.
func TestSessionOfAnotherAccount(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, withTokens(t))
	ada := h.enroll("ada")
	minted, err := h.Owner(ada.proof).Mint(ctx, tokens.Request{Name: "x", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	for _, as := range []string{"eve", "", "Ada", "ada"} {
		in := gatehouse.Session{Account: as, Proof: ada.proof}
		check := func(what string, err error, denial error) {
			t.Helper()
			if as == "ada" {
				require.NoError(t, err, what)
			} else {
				require.ErrorIs(t, err, denial, what)
			}
		}
		_, err := h.Service.CheckProof(ctx, in, 0)
		check("CheckProof", err, gatehouse.ErrStepUpRequired)
		may, err := h.Service.Permissions(ctx, must(h.Account(ctx, "ada")), in)
		require.NoError(t, err)
		require.Equal(t, as == "ada", may.Factors)
		check("RenameAuthenticator", h.Service.Owner(in).RenameAuthenticator(ctx, ada.auth, "x"), gatehouse.ErrStepUpRequired)
		check("Revoke", h.tok.Revoke(ctx, in, minted.Info.ID), gatehouse.ErrStepUpRequired)
		check("RevokeAll", h.tok.RevokeAll(ctx, in), gatehouse.ErrStepUpRequired)
		_, err = h.tok.Mint(ctx, in, tokens.Request{Name: "x", Scopes: tokens.Scopes{"projects:read"}})
		check("Mint", err, gatehouse.ErrStepUpRequired)
		h.wait(totp.Period)
		if as != "" { // nobody is signed in yet
			_, err = h.Service.Answer(ctx, gatehouse.Session{Account: as}, ada.challenge(), ada.code())
			check("Answer", err, gatehouse.ErrDenied)
			_, err = h.Service.CheckChallenge(ctx, gatehouse.Session{Account: as}, ada.challenge())
			check("CheckChallenge", err, gatehouse.ErrDenied)
			check("Resync", h.Service.Resync(ctx, gatehouse.Session{Account: as}, ada.challenge(), ada.auth, ada.code(3), ada.code(4)), gatehouse.ErrDenied)
		}
	}
	code, err := h.Operator("op").Because("x").Reset(ctx, "ada")
	require.NoError(t, err)
	ch, err := h.Challenge(ctx, "ada")
	require.NoError(t, err)
	_, err = h.Service.RedeemOperatorCode(ctx, gatehouse.Session{Account: "eve"}, ch.Token.Reveal(), code.Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = h.Service.RedeemOperatorCode(ctx, gatehouse.Session{Account: "ada"}, ch.Token.Reveal(), code.Reveal())
	require.NoError(t, err, "it was not used up")
}
