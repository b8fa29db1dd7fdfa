// Package gatehouse gives a service two-factor sign-in and account protection, inside its own
// process and on its own database. It owns no passwords and no sessions.
//
// Make a [Service] with [New], on a store and with keys. Then, in the order in which a service needs them:
//
//   - Sign in: [Service.Before] before you look at the password, [SignIn.Challenge] once it was right, and
//     [Service.Answer] for the code. [Verification] has the [Session] to keep.
//   - Change: [Service.Owner] for a Settings page, beginning with [Owner.BeginEnrollment] and
//     [Owner.ConfirmEnrollment]; [Service.StepUp] asks for a code again. [Service.Account] has everything to show.
//   - Support: [Service.Operator] for resets, suspensions and new passwords.
//
// A web service begins with package websession, which does the first for browsers, and package securitypage, which does
// the second. Passkeys are in package passkey, a module of its own. Access tokens are in package tokens, reviews and gates in package posture, middleware in package httpguard.
// Each stands on a Service.
//
// Accounts are named by the host's own stable ID, never by what somebody typed: 1 to 255 bytes of
// UTF-8 without NUL, compared byte for byte.
//
// Every error lets nobody in. [ErrDenied] is the only answer to a code that is wrong, used, locked
// out, stale or of an unknown account. [ErrStepUpRequired] says that a proof is missing or not
// enough. Every other error is a fault of an argument, the account's state, the store or the keys.
package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Config configures a Service.
type Config struct {
	// Issuer is the service's name as authenticator apps show it: 1 to 100 bytes without ':'. There
	// is no default.
	Issuer string

	// Keys seal challenges and proofs, and secrets unless Sealer is set. There is no default: whoever
	// loses the keys loses every authenticator.
	Keys *keyring.Ring

	// Sealer seals the secrets of authenticators, through a key management service for example. Each
	// sign-in by TOTP opens one secret an authenticator. Defaults to Keys.
	Sealer keyring.Sealer

	// Window is how many time steps a TOTP code may be off. A wider one is more guesses for one try;
	// the throttle makes up for it by allowing fewer tries. &totp.Window{} accepts only the present
	// step (OWASP ASVS 6.5.5). Defaults to totp.DefaultWindow, one step on either side.
	Window *totp.Window

	// Recovery is how costly it is to guess recovery codes from a copy of the database.
	// Anything cheaper than the default is for tests. Defaults to recovery.DefaultParams.
	Recovery recovery.Params

	// ExternalFactors are the second factors of the host's own, or of its identity provider, that open gates and guards: RFC
	// 8176 values such as "mfa" and "hwk", as FirstFactor.External has them. Defaults to none.
	ExternalFactors []string

	// RecoveryMemory is how many MiB of memory Argon2id may take in this process at the most, imported hashes
	// included. It decides how many codes are checked at once; one always is. It is at most
	// 1,048,576. If a process has several Services, the greatest value counts. Defaults to 80, or to a quarter of
	// what the process may have where its control group (memory.max of cgroup v2) or GOMEMLIMIT leaves it less than
	// 320: a small program then stays under 128 MiB on any number of processors.
	RecoveryMemory int

	// Observer hears what happens, at most once: it is for logs and metrics. Defaults to none.
	Observer event.Observer

	// Notices keeps what owners must be told (a new authenticator, a used recovery code) in their accounts, saved with the
	// change itself, until package notify has delivered it: NIST SP 800-63B-4 §4.6 makes such notices a SHALL, and an
	// Observer may be told nothing when a process dies. Turn it on where notify.Service.Drain runs; where none does,
	// each account would keep up to 8 KiB for ever. Defaults to keeping nothing; what is there already is kept.
	Notices bool

	// Now is for tests. A wrong clock denies right codes as long as it is wrong, and makes expiring things last longer
	// while it runs behind. Defaults to time.Now.
	Now func() time.Time
}

const maxRecoveryMemory = 1 << 20 // MiB

// Service is safe for concurrent use. It holds per-account locks and events that wait for the Observer: call Close to
// flush them. Any number of processes may have one on the same store and with the same keys.
type Service struct {
	e         *engine.Engine
	issuer    string
	recovery  recovery.Params
	externals []string
}

// New returns a Service, or ErrInvalid if the Config lacks something or has something out of bounds.
func New(store storage.Store, c Config) (*Service, error) {
	if store == nil {
		return nil, fmt.Errorf("%w: no store", ErrInvalid)
	}
	if c.Keys == nil || c.Keys.Primary() == "" {
		return nil, fmt.Errorf("%w: no keys", ErrInvalid)
	}
	if c.RecoveryMemory < 0 || c.RecoveryMemory > maxRecoveryMemory {
		return nil, fmt.Errorf("%w: RecoveryMemory is 0 to %d MiB", ErrInvalid, maxRecoveryMemory)
	}
	ec := engine.Config{
		Store: store, Keys: c.Keys, Sealer: c.Sealer, Window: totp.DefaultWindow(), Observer: c.Observer, Notices: c.Notices, Now: c.Now,
	}
	if c.Window != nil {
		ec.Window = *c.Window
	}
	if ec.Sealer == nil {
		ec.Sealer = c.Keys
	}
	if ec.Now == nil {
		ec.Now = time.Now
	}
	for _, method := range c.ExternalFactors {
		if !validMethod(method) {
			return nil, fmt.Errorf("%w: ExternalFactors: a method is 1 to %d bytes of a-z, 0-9 and _", ErrInvalid, maxMethod)
		}
	}
	s := &Service{issuer: c.Issuer, recovery: c.Recovery, externals: slices.Clone(c.ExternalFactors)}
	if s.recovery == (recovery.Params{}) {
		s.recovery = recovery.DefaultParams()
	}
	_, err := (totp.Key{Secret: totp.GenerateSecret(), Algorithm: totp.SHA256}).URI(c.Issuer, "account")
	if err := errors.Join(err, ec.Window.Check(), s.recovery.Check()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	queue.Argon2.Ask(c.RecoveryMemory << 20)
	s.e = engine.New(ec)
	return s, nil
}

// Close waits until the Observer has heard every event, and writes what the services on this one still hold, such as
// token usage; otherwise both are lost with the process. Call it last, when no more requests come in.
func (s *Service) Close(ctx context.Context) error { return s.e.Close(ctx) }

// Stats counts what a Service has dropped since it was made, for metrics. All are 0 when all is well.
type Stats struct {
	EventsDropped uint64 // not told to the Observer: too many waited, or too many of its calls had not returned
	EventsLate    uint64 // told, and the Observer had not returned in time
	HostUnknown   uint64 // answers that posture.Config.Host did not give: an error, a panic, too late, or too many calls at a time
	TokenUsesLost uint64 // uses of tokens that were not noted, as too many waited to be stored or after Close
}

// Stats returns the counts so far.
func (s *Service) Stats() Stats {
	dropped, late := s.e.EventCounts()
	return Stats{
		EventsDropped: dropped, EventsLate: late,
		HostUnknown: s.e.Counts.HostUnknown.Load(), TokenUsesLost: s.e.Counts.TokenUsesLost.Load(),
	}
}
