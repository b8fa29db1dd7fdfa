package gatehouse_test

import (
	"context"
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

// takesProofs has every method of an Owner, on an account that would allow it.
func takesProofs(h *house, p gatehouse.Proof, o *owner) []error {
	ctx := context.Background()
	face := h.Owner(p)
	var errs []error
	add := func(_ any, err error) { errs = append(errs, err) }
	add(face.BeginEnrolment(ctx, gatehouse.Enrol{Label: "ada"}))
	add(face.ConfirmEnrolment(ctx, o.auth, o.code()))
	add(nil, face.CancelEnrolment(ctx, o.auth))
	add(nil, face.AcknowledgeRecoveryCodes(ctx, o.auth))
	add(face.RegenerateRecoveryCodes(ctx))
	add(nil, face.RenameAuthenticator(ctx, o.auth, "Mine"))
	add(face.RemoveAuthenticator(ctx, o.auth))
	add(face.DisableTwoFactor(ctx))
	add(nil, face.Unlock(ctx, gatehouse.RecoveryCode))
	return errs
}

// refused shows that a text is no proof to any method, and no challenge to any. Nothing is changed and
// no code used up.
func (o *owner) refused(t *testing.T, text, what string) {
	t.Helper()
	ctx := context.Background()
	o.h.unchanged(func() {
		for i, err := range takesProofs(o.h, gatehouse.ProofFromString(text), o) {
			require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "%s, method %d", what, i)
		}
		v, err := o.h.Answer(ctx, text, o.code())
		require.Equal(t, &gatehouse.DeniedError{}, err, what)
		require.Equal(t, gatehouse.Verification{}, v)
		_, err = o.h.Answer(ctx, text, o.codes[0].Reveal())
		require.Equal(t, &gatehouse.DeniedError{}, err, what)
		_, err = o.h.RedeemOperatorCode(ctx, text, o.codes[0].Reveal())
		require.Equal(t, &gatehouse.DeniedError{}, err, what)
		require.Equal(t, &gatehouse.DeniedError{}, o.h.Resync(ctx, text, o.auth, o.code(), o.code(1)), what)
	}, what)
}

// TestForged edits proofs and challenges, and has them where they do not belong.
func TestForged(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHouse(t)
	o := h.enrol("user-42")
	proof, challenge := o.proof.Reveal(), o.challenge()

	t.Run("another purpose", func(t *testing.T) {
		o.refused(t, "", "nothing")
		h.unchanged(func() {
			_, err := h.Answer(ctx, proof, o.code())
			require.Equal(t, &gatehouse.DeniedError{}, err, "a proof as a challenge")
			for _, err := range takesProofs(h, gatehouse.ProofFromString(challenge), o) {
				require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "a challenge as a proof")
			}
		})
		sealed := h.account(o.id).Authenticators[0].Sealed
		o.refused(t, base64.RawURLEncoding.EncodeToString(sealed), "a sealed secret")
		claim := []byte(`{"a":"user-42","k":2,"m":"otp","t":1772366430,"e":1,"n":1}`)
		o.refused(t, base64.RawURLEncoding.EncodeToString(claim), "what would be sealed")
		for _, b := range []keyring.Binding{
			{}, {Purpose: "totp"}, {Purpose: "totp", Account: o.id, Item: o.auth}, {Purpose: "Proof"}, {Purpose: "proof "},
			{Purpose: "proof", Account: o.id}, {Purpose: "challenge", Item: o.id}, {Account: "proof"}, {Item: "challenge"},
		} {
			s, err := h.keys.Seal(ctx, claim, b)
			require.NoError(t, err)
			o.refused(t, base64.RawURLEncoding.EncodeToString(s), "the same keys for another purpose")
		}
	})

	// What is sealed for the purpose, but is not what was sealed there: only a bug or a leaked key
	// makes it.
	t.Run("odd content", func(t *testing.T) {
		for _, plain := range []string{
			"", "null", "{}", "[]", `"user-42"`, "{", `{"a":null}`, `{"a":{"$ne":1}}`, `{"a":"user-42"}`, `{"a":"user-42","k":"2"}`,
			`{"a":"user-42","k":9,"t":1772366430,"e":0}`, `{"a":"nobody","k":2,"t":1772366430,"e":0}`, `{"a":"\u0000"}`, `{"a":"` + string(make([]byte, 300)) + `"}`,
		} {
			for _, purpose := range []string{"proof", "challenge"} {
				s, err := h.keys.Seal(ctx, []byte(plain), keyring.Binding{Purpose: purpose})
				require.NoError(t, err)
				o.refused(t, base64.RawURLEncoding.EncodeToString(s), plain)
			}
		}
	})

	t.Run("edited", func(t *testing.T) {
		h.unchanged(func() {
			try := func(text, what string, at int) {
				t.Helper()
				err := h.Owner(gatehouse.ProofFromString(text)).AcknowledgeRecoveryCodes(ctx, "")
				require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "a proof %s at %d", what, at)
			}
			answer := func(text, what string, at int) {
				t.Helper()
				_, err := h.Answer(ctx, text, o.code())
				require.Equal(t, &gatehouse.DeniedError{}, err, "a challenge %s at %d", what, at)
			}
			for text, f := range map[string]func(string, string, int){proof: try, challenge: answer} {
				for i := range len(text) {
					f(text[:i], "cut", i)
					f(text[i+1:], "cut before", i)
					f(text[:i]+text[i+1:], "without a byte", i)
					for bit := range 8 {
						edited := []byte(text)
						edited[i] ^= 1 << bit
						f(string(edited), "flipped", i)
					}
				}
				for _, more := range []string{"=", "==", "A", "AA", "AAAA", "\n", "\r\n", " ", "\x00", text} {
					f(text+more, "longer", len(text))
					f(more+text, "longer", 0)
				}
				f(text[:8]+"\n"+text[8:], "with a line break", 8)
			}
		})
	})

	t.Run("foreign", func(t *testing.T) {
		stranger := newHouse(t)
		them := stranger.enrol(o.id)
		o.refused(t, them.proof.Reveal(), "of other keys")
		o.refused(t, them.challenge(), "of other keys")

		same := houseOn(t, memory.New(), func(c *gatehouse.Config) { c.Keys = h.keys })
		them = same.enrol(o.id)
		o.refused(t, them.proof.Reveal(), "of the same keys, but another store")
		o.refused(t, them.challenge(), "of the same keys, but another store")
		o.refused(t, same.attest("nobody").Reveal(), "of an account that is not here")

		other := h.enrol("user-43")
		challenge := other.challenge()
		h.unchangedBut(other.id, func() {
			_, err := h.Answer(ctx, challenge, o.code())
			require.ErrorIs(t, err, gatehouse.ErrDenied)
			_, err = h.Answer(ctx, challenge, o.codes[0].Reveal())
			require.ErrorIs(t, err, gatehouse.ErrDenied, "whose code is scoped to the account")
			takesProofs(h, other.proof, o) // which names their account, whatever else is said
		})
	})

	// The real ones have stood through all of it.
	h.set(begin.Add(totp.Period))
	require.ErrorIs(t, h.Owner(o.proof).AcknowledgeRecoveryCodes(ctx, ""), gatehouse.ErrState)
	_, err := h.Answer(ctx, challenge, o.code())
	require.NoError(t, err)
}

// TestDeletedAndMadeAgain has proofs and challenges of the account that had the ID before.
func TestDeletedAndMadeAgain(t *testing.T) {
	h := newHouse(t)
	o := h.enrol("user-42")
	proof, challenge := o.proof.Reveal(), o.challenge()
	require.NoError(t, h.Operator("op").DeleteAccount(context.Background(), o.id))
	o.refused(t, proof, "of a deleted account")
	o.refused(t, challenge, "of a deleted account")
	again := h.enrol(o.id)
	again.refused(t, proof, "of the account before")
	again.refused(t, challenge, "of the account before")
}

// TestChallengeEdges holds the life of a challenge to the second.
func TestChallengeEdges(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	template := h.enrol("user-42")
	issued := h.clock()
	challenge := template.challenge()
	for _, c := range []struct {
		after time.Duration // of the clock that checks
		ok    bool
	}{
		{-time.Hour, false}, {-31 * time.Second, false}, {-30 * time.Second, true}, {-time.Second, true}, {0, true},
		{5*time.Minute - time.Second, true}, {5 * time.Minute, true}, {5*time.Minute + time.Second, false}, {100 * 365 * 24 * time.Hour, false},
	} {
		o := template.copy(t)
		o.h.set(issued.Add(c.after))
		_, err := o.h.Answer(ctx, challenge, o.codes[0].Reveal())
		if c.ok {
			require.NoError(t, err, c.after)
		} else {
			require.Equal(t, &gatehouse.DeniedError{}, err, c.after)
			require.Equal(t, template.h.dump(), o.h.dump(), "nothing was used up")
		}
	}
}

// TestNobodyWithoutFactors has accounts that no code verifies.
func TestNobodyWithoutFactors(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	code := h.enrol("another").codes[0].Reveal()
	h.attest("bare")
	enr, err := h.Owner(h.attest("pending")).BeginEnrolment(ctx, gatehouse.Enrol{Label: "ada"})
	require.NoError(t, err)
	staged, err := keyOf(enr, 6).Code(totp.Step(h.clock()))
	require.NoError(t, err)

	h.unchanged(func() {
		for _, id := range []string{"unknown", "bare", "pending"} {
			for _, text := range []string{code, "123456", "12345678", "", staged, enr.RecoveryCodes[0].Reveal()} {
				_, err := h.StepUp(ctx, id, text)
				require.Equal(t, &gatehouse.DeniedError{}, err, id)
			}
			ch, err := h.Challenge(ctx, id)
			require.NoError(t, err)
			require.Equal(t, gatehouse.Challenge{Step: gatehouse.NotNeeded}, ch)
		}
	})
	require.Equal(t, gatehouse.Denied, gatehouse.Challenge{}.Step, "the zero value lets nobody in")
	require.Equal(t, "denied", gatehouse.Step(0).String())
	require.Equal(t, "denied", gatehouse.Step(200).String())
}
