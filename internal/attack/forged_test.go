package attack_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
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
	add(face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"}))
	add(face.ConfirmEnrollment(ctx, o.auth, o.code()))
	add(nil, face.CancelEnrollment(ctx, o.auth))
	add(nil, face.AcknowledgeRecoveryCodes(ctx, o.auth))
	add(face.RegenerateRecoveryCodes(ctx))
	add(nil, face.RenameAuthenticator(ctx, o.auth, "Mine"))
	add(face.RemoveAuthenticator(ctx, o.auth))
	add(face.DisableTwoFactor(ctx))
	add(nil, face.Unlock(ctx, event.MethodRecoveryCode))
	return errs
}

// refused shows that a text is no proof to any method, and no challenge to any. Nothing is changed and
// no code used up.
func (o *owner) refused(t *testing.T, text, what string) {
	t.Helper()
	ctx := context.Background()
	o.h.unchanged(func() {
		for i, err := range takesProofs(o.h, gatehouse.ParseProof(text), o) {
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

// salt stands before what is sealed as text, in the place of an account.
const salt = "0123456789abcdef"

// sealAs seals text under the house's keys, whatever it says and for whatever purpose.
func (h *house) sealAs(b keyring.Binding, plain string) string {
	h.t.Helper()
	sealed, err := h.keys.Seal(context.Background(), []byte(plain), b)
	require.NoError(h.t, err)
	return base64.RawURLEncoding.EncodeToString(append([]byte(salt), sealed...))
}

// TestForged edits proofs and challenges, and has them where they do not belong.
func TestForged(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	proof, challenge := o.proof.Reveal(), o.challenge()

	t.Run("another purpose", func(t *testing.T) {
		o.refused(t, "", "nothing")
		h.unchanged(func() {
			_, err := h.Answer(ctx, proof, o.code())
			require.Equal(t, &gatehouse.DeniedError{}, err, "a proof as a challenge")
			for _, err := range takesProofs(h, gatehouse.ParseProof(challenge), o) {
				require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "a challenge as a proof")
			}
		})
		sealed := h.account(o.id).Authenticators[0].Sealed
		o.refused(t, base64.RawURLEncoding.EncodeToString(sealed), "a sealed secret")
		// The account is base64.
		claim := fmt.Sprintf(`{"a":"dXNlci00Mg==","k":2,"m":"otp","t":%d,"e":%d,"w":%d,"n":0}`, h.clock().Unix(), h.account(o.id).Epoch, h.account(o.id).SessionEpoch)
		o.refused(t, base64.RawURLEncoding.EncodeToString([]byte(claim)), "what would be sealed")
		for _, b := range []keyring.Binding{
			{}, {Purpose: "proof"}, {Purpose: "challenge"}, {Purpose: "proof", Account: salt, Item: o.id}, {Purpose: "challenge", Account: o.id},
			{Purpose: "totp", Account: salt}, {Purpose: "totp", Account: o.id, Item: o.auth}, {Purpose: "Proof", Account: salt},
			{Purpose: "proof ", Account: salt}, {Purpose: "", Account: "proof" + salt}, {Account: salt, Item: "challenge"},
		} {
			o.refused(t, h.sealAs(b, claim), "the same keys for another purpose")
		}
		// The same in its place is taken, so it is the purpose that it was refused for.
		proof := gatehouse.ParseProof(h.sealAs(keyring.Binding{Purpose: "proof", Account: salt}, claim))
		require.ErrorIs(t, h.Owner(proof).AcknowledgeRecoveryCodes(ctx, ""), gatehouse.ErrNotFound)
		c := o.copy(t)
		_, err := c.h.Answer(ctx, h.sealAs(keyring.Binding{Purpose: "challenge", Account: salt}, claim), c.code())
		require.NoError(t, err)
	})

	// What is sealed for the purpose, but is not what was sealed there: only a bug or a leaked key
	// makes it.
	t.Run("odd content", func(t *testing.T) {
		now := fmt.Sprintf(`"t":%d`, h.clock().Unix())
		epoch := fmt.Sprintf(`"e":%d`, h.account(o.id).Epoch)
		for _, plain := range []string{
			"", "null", "{}", "[]", `"user-42"`, "{", `{"a":null}`, `{"a":{"$ne":1}}`, `{"a":"dXNlci00Mg=="}`, `{"a":"dXNlci00Mg==","k":"2",` + now + `,"e":0}`,
			`{"a":"dXNlci00Mg==","k":9,` + now + `,"e":0}`, `{"a":"dXNlci00Mg==","k":2,"t":0,"e":0}`, `{"a":"bm9ib2R5","k":2,` + now + `,"e":0}`,
			`{"k":2,` + now + `,` + epoch + `}`, `{"a":"AA==","k":2,` + now + `,"e":0}`, `{"a":"` + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", 256))) + `","k":2,` + now + `,"e":0}`,
			`{"a":"dXNlci00Mg==","k":2,"t":1e99,` + epoch + `}`, `{"a":"dXNlci00Mg==","k":2,"t":null,` + epoch + `}`,
		} {
			for _, purpose := range []string{"proof", "challenge"} {
				o.refused(t, h.sealAs(keyring.Binding{Purpose: purpose, Account: salt}, plain), plain)
			}
		}
	})

	t.Run("edited", func(t *testing.T) {
		h.unchanged(func() {
			try := func(text, what string, at int) {
				t.Helper()
				err := h.Owner(gatehouse.ParseProof(text)).AcknowledgeRecoveryCodes(ctx, "")
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
		them := stranger.enroll(o.id)
		o.refused(t, them.proof.Reveal(), "of other keys")
		o.refused(t, them.challenge(), "of other keys")

		same := houseOn(t, memory.New(), func(c *settings) { c.Keys = h.keys })
		them = same.enroll(o.id)
		o.refused(t, them.proof.Reveal(), "of the same keys, but another store")
		o.refused(t, them.challenge(), "of the same keys, but another store")
		o.refused(t, same.vouch("nobody").Reveal(), "of an account that is not here")

		other := h.enroll("user-43")
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
	require.ErrorIs(t, h.Owner(o.proof).AcknowledgeRecoveryCodes(ctx, ""), gatehouse.ErrNotFound)
	_, err := h.Answer(ctx, challenge, o.code())
	require.NoError(t, err)
}

// TestDeletedAndMadeAgain has proofs and challenges of the account that had the ID before.
func TestDeletedAndMadeAgain(t *testing.T) {
	h := newHouse(t)
	o := h.enroll("user-42")
	proof, challenge := o.proof.Reveal(), o.challenge()
	require.NoError(t, deleted(h.Operator("op").DeleteAccount(context.Background(), o.id)))
	o.refused(t, proof, "of a deleted account")
	o.refused(t, challenge, "of a deleted account")
	again := h.enroll(o.id)
	again.refused(t, proof, "of the account before")
	again.refused(t, challenge, "of the account before")
}

// TestChallengeEdges holds the life of a challenge to the second.
func TestChallengeEdges(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	template := h.enroll("user-42")
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
	code := h.enroll("another").codes[0].Reveal()
	h.vouch("bare")
	enr, err := h.Owner(h.vouch("pending")).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
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
			require.Equal(t, gatehouse.Challenge{AccountID: id, Step: gatehouse.StepNotNeeded}, ch)
		}
	})
	require.Equal(t, gatehouse.Step(""), gatehouse.Challenge{}.Step, "the zero value lets nobody in")
}
