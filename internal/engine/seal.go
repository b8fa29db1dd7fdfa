package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Purposes of sealed text.
const (
	PurposeProof     = "proof"
	PurposeChallenge = "challenge"
	PurposePasskey   = "passkey" // a ceremony's challenge
)

const (
	maxSealed = 4096 // bytes of a proof or challenge as text; the longest has some 900

	// saltSize is of the random bytes before a sealed string. They are in the binding instead of an account, which is
	// not known before the string is open: so each has a derived key to itself, and the bound on random nonces under
	// one key (NIST SP 800-38D §8.3) is never near.
	saltSize = 16
)

// Seal seals a value as a string that only opens for the same purpose.
func (e *Engine) Seal(ctx context.Context, purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails: the process ends instead
	// Not the caller's context: a code that is used up must not come to nothing because they hung up.
	sealed, err := e.Keys.Seal(context.WithoutCancel(ctx), plain, keyring.Binding{Purpose: purpose, Account: string(salt)})
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(salt, sealed...)), nil
}

// ErrSealed says that a text is not a sealed string of this purpose.
var ErrSealed = errors.New("gatehouse: not a sealed string of this purpose")

// Open opens text that Seal has made. ErrSealed says that it is none; every other error is a fault.
func (e *Engine) Open(ctx context.Context, purpose, text string, v any) error {
	if len(text) > maxSealed {
		return ErrSealed
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || base64.RawURLEncoding.EncodedLen(len(sealed)) != len(text) || // the decoder passes over line breaks
		len(sealed) < saltSize {
		return ErrSealed
	}
	plain, err := e.Keys.Open(ctx, sealed[saltSize:], keyring.Binding{Purpose: purpose, Account: string(sealed[:saltSize])})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, keyring.ErrOpen) || errors.Is(err, keyring.ErrUnknownKey) {
			return ErrSealed
		}
		return fmt.Errorf("gatehouse: open %s: %w", purpose, err)
	}
	if json.Unmarshal(plain, v) != nil {
		return ErrSealed
	}
	return nil
}

// Session is a host's session as gatehouse.Session has it.
type Session struct{ Account, Secret, Proof, Browser, NewBrowser string }

// Present opens a session's proof for a check in a transition, which alone says whether it is enough.
func (e *Engine) Present(ctx context.Context, s Session) (core.Presented, error) {
	presented := core.Presented{In: Digest(s.Secret), Browser: BrowserDigests(s.Account, s.Browser), NewBrowser: NewBrowserDigest(s.Account, s.NewBrowser)}
	err := e.Open(ctx, PurposeProof, s.Proof, &presented.Proof)
	if errors.Is(err, ErrSealed) || err == nil && (storage.CheckID(presented.Account) != nil || presented.Account != s.Account) {
		return core.Presented{}, core.ErrStepUpRequired
	}
	return presented, err
}

// Digest is what a proof keeps of a session's secret, nil for none.
func Digest(secret string) []byte {
	if secret == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(secret))
	return sum[:core.DigestSize]
}

// SealChallenge returns the challenge of a sign-in to an account that begins now.
func (e *Engine) SealChallenge(ctx context.Context, a core.Account) (string, error) {
	return e.Seal(ctx, PurposeChallenge, a.Challenge(e.Env()))
}

// ChallengeStands reports whether text is a challenge of an account that can still be answered.
func (e *Engine) ChallengeStands(ctx context.Context, text string, a core.Account) bool {
	var c core.Challenge
	return e.Open(ctx, PurposeChallenge, text, &c) == nil && a.Stands(c, e.Env())
}

// SealedNow reports whether text of Seal is under the primary key.
func (e *Engine) SealedNow(text string) bool {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(sealed) < saltSize {
		return false
	}
	name, err := e.Keys.KeyName(sealed[saltSize:])
	return err == nil && name == e.Keys.Primary()
}

// SealAgain seals a proof under the primary key that Seal has sealed under an older one.
func (e *Engine) SealAgain(ctx context.Context, proof string) (string, error) {
	var p core.Proof
	if err := e.Open(ctx, PurposeProof, proof, &p); err != nil {
		return "", err
	}
	return e.Seal(ctx, PurposeProof, p)
}
