package gatehouse

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/redact"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
)

const (
	purposeProof     = "proof"
	purposeChallenge = "challenge"
	purposeTOTP      = "totp"

	maxSealed = 4096 // bytes of a proof or challenge as text; the longest has some 900
	maxMethod = 32
)

type hiddenText = redact.Value[string]

// Proof says, sealed, who has authenticated, how, when, in which session, and on which state of the
// account's factors. It is a secret of the owner's session: keep it there, on the server or in a
// cookie that scripts cannot read. It is good for changes of factors for 5 minutes and for tokens for
// 15, and ends at once when factors or the host's password change. It prints as "[redacted]".
// The zero Proof proves nothing.
type Proof struct{ hiddenText }

// ProofFromString returns the Proof that Reveal gave as text. It checks nothing: whoever is handed
// the Proof does.
func ProofFromString(s string) Proof { return Proof{redact.New(s)} }

// Reveal returns the proof as text, URL-safe and at most 4096 bytes.
func (p Proof) Reveal() string { return redact.Open(p.hiddenText) }

// FirstFactor is what the host vouches for.
type FirstFactor struct {
	Method string    // how, as an RFC 8176 value: "pwd", "fed" …; 1 to 32 bytes of a-z, 0-9 and _
	At     time.Time // when it was checked, by the server's clock
}

// Attest returns a proof for a first factor that the host itself has just checked: at most 5 minutes
// ago, otherwise ErrStepUpRequired. It is enough only for an account without a second factor, and
// that is asked when the proof is used. Never attest for a session that merely exists: whoever holds
// a stolen one would pair an authenticator of their own.
//
// A first factor that was checked before the account's last PasswordChanged, Reset, Suspend, Resume or
// AfterRestore, or in the same second, is over: ErrStepUpRequired. That goes by the server's clock; [Service.Before]
// needs none.
func (s *Service) Attest(ctx context.Context, account string, f FirstFactor, opts ...Option) (Proof, error) {
	return SignIn{s: s, account: account}.Attest(ctx, f, opts...)
}

var errInvalidMethod = fmt.Errorf("%w: the first factor's method is 1 to %d bytes of a-z, 0-9 and _", ErrInvalid, maxMethod)

func validMethod(m string) bool {
	if m == "" || len(m) > maxMethod {
		return false
	}
	for i := range len(m) {
		if c := m[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

func (s *Service) sealProof(ctx context.Context, p core.Proof) (Proof, error) {
	text, err := s.sealText(ctx, purposeProof, p)
	if err != nil {
		return Proof{}, err
	}
	return ProofFromString(text), nil
}

// saltSize is of the random bytes before a sealed string. They stand in the binding in the place of
// an account, which is not known before the string is open: so each has a derived key of its own, and
// the bound on random nonces under one key (NIST SP 800-38D §8.3) is never near.
const saltSize = 16

// sealText seals a value as a string that only opens for the same purpose.
func (s *Service) sealText(ctx context.Context, purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails: the process ends instead
	// Not the caller's context: a code that is used up must not come to nothing because they hung up.
	sealed, err := s.keys.Seal(context.WithoutCancel(ctx), plain, keyring.Binding{Purpose: purpose, Account: string(salt)})
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(salt, sealed...)), nil
}

var errSealed = errors.New("gatehouse: not a sealed string of this purpose")

// openText opens what sealText has sealed. errSealed says that it is none of ours; every other error is a fault.
func (s *Service) openText(ctx context.Context, purpose, text string, v any) error {
	if len(text) > maxSealed {
		return errSealed
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || base64.RawURLEncoding.EncodedLen(len(sealed)) != len(text) || // the decoder passes over line breaks
		len(sealed) < saltSize {
		return errSealed
	}
	plain, err := s.keys.Open(ctx, sealed[saltSize:], keyring.Binding{Purpose: purpose, Account: string(sealed[:saltSize])})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, keyring.ErrOpen) || errors.Is(err, keyring.ErrUnknownKey) {
			return errSealed
		}
		return fmt.Errorf("gatehouse: open %s: %w", purpose, err)
	}
	if json.Unmarshal(plain, v) != nil {
		return errSealed
	}
	return nil
}

// present opens a proof for a check in a transition, which alone says whether it is enough.
func (s *Service) present(ctx context.Context, p Proof, o options) (core.Presented, error) {
	presented := core.Presented{In: o.session}
	err := s.openText(ctx, purposeProof, p.Reveal(), &presented.Proof)
	if errors.Is(err, errSealed) || err == nil && (storage.CheckID(presented.Account) != nil || !o.of(presented.Account)) {
		return core.Presented{}, ErrStepUpRequired
	}
	return presented, err
}

func digest(session string) []byte {
	sum := sha256.Sum256([]byte(session))
	return sum[:16]
}

// Proven is what a good proof says.
type Proven struct {
	AccountID    string
	Method       string    // an RFC 8176 value where there is one
	At           time.Time // when the owner was there
	SecondFactor bool
}

// CheckProof returns what a proof says, if it is good and at most maxAge old; 0, and more than a day, is a
// day. It shows who is there and how they have authenticated, and authorizes nothing: each method that
// takes a proof checks it by itself. ErrStepUpRequired says that it is not good, or no longer enough.
func (s *Service) CheckProof(ctx context.Context, p Proof, maxAge time.Duration, opts ...Option) (Proven, error) {
	if maxAge < 0 {
		return Proven{}, fmt.Errorf("%w: a negative age", ErrInvalid)
	}
	if maxAge == 0 || maxAge > core.ProofLife {
		maxAge = core.ProofLife
	}
	o, err := optionsOf(opts, ofProofs)
	if err != nil {
		return Proven{}, err
	}
	presented, err := s.present(ctx, p, o)
	if err != nil {
		return Proven{}, err
	}
	a, _, err := s.load(ctx, presented.Account)
	if err != nil {
		return Proven{}, err
	}
	if err := a.CheckProof(presented, maxAge, s.env()); err != nil {
		return Proven{}, err
	}
	return Proven{
		AccountID: a.ID, Method: presented.Method, At: core.Time(presented.At), SecondFactor: presented.Kind == core.SecondFactor,
	}, nil
}

// Allowed is what an owner's proof is enough for. The zero Allowed is nothing.
type Allowed struct {
	Enroll  bool // BeginEnrollment without Replace
	Replace bool // BeginEnrollment with it, RegenerateRecoveryCodes
	Factors bool // RemoveAuthenticator, DisableTwoFactor
	Revoke  bool // RevokeToken, RevokeAllTokens
	Tokens  bool // MintToken, RotateToken, RenewToken
}

// Allowed returns what the proof is enough for now, so that a page can ask for a code before it shows a form,
// and not after. A proof that is not good is enough for nothing, which is no error. It authorizes nothing: each
// method checks the proof by itself.
func (o Owner) Allowed(ctx context.Context) (Allowed, error) {
	p, err := o.present(ctx)
	if errors.Is(err, ErrStepUpRequired) {
		return Allowed{}, nil
	}
	if err != nil {
		return Allowed{}, err
	}
	a, _, err := o.s.load(ctx, p.Account)
	if err != nil {
		return Allowed{}, err
	}
	return Allowed(a.Allowed(p, o.s.env())), nil
}
