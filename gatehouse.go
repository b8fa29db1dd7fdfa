// Package gatehouse gives a service two-factor sign-in and account protection, inside its own
// process and on its own database. It owns no passwords and no sessions.
//
// A [Service] has what sign-in needs: [Service.Before] before the host looks at the password,
// [SignIn.Challenge] once it was right, [Service.Answer] for the code, [Service.StepUp] to ask for a
// code again inside a session. [Service.Challenge] is for hosts that do without Before.
// [Service.Owner] has what an account's owner changes on a Settings page, beginning with
// [Owner.BeginEnrollment] and [Owner.ConfirmEnrollment].
//
// Accounts are named by the host's own stable ID, never by what somebody typed: 1 to 255 bytes of
// UTF-8 without NUL, compared byte for byte.
//
// Every error lets nobody in. [ErrDenied] is the one answer to a code that is wrong, used, locked
// out, stale or of an unknown account. [ErrStepUpRequired] says that a proof is missing or not
// enough. Every other error is a fault of an argument, the account's state, the store or the keys.
package gatehouse

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Config is what a Service is told once.
type Config struct {
	// Issuer is the service's name as authenticator apps show it: 1 to 100 bytes without ':'. There
	// is no default.
	Issuer string

	// Keys seal challenges and proofs, and secrets unless Sealer is set. There is no default: with
	// keys that are lost, every authenticator is.
	Keys *keyring.Ring

	// Sealer seals the secrets of authenticators, through a key management service for example. Each
	// sign-in by TOTP opens one secret an authenticator. Defaults to Keys.
	Sealer keyring.Sealer

	// Window is how many time steps a TOTP code may be off. A wider one is more guesses for one try;
	// the throttle makes up for it by allowing fewer tries. &totp.Window{} accepts the present step
	// alone (OWASP ASVS 6.5.5). Defaults to totp.DefaultWindow, one step on either side.
	Window *totp.Window

	// Recovery is the cost of guessing a recovery code for whoever has a copy of the database.
	// Anything cheaper is for tests. Defaults to recovery.DefaultParams.
	Recovery recovery.Params

	// RecoveryMemory is how many MiB of memory Argon2id may take in this process at the most, imported hashes
	// included. How many codes are checked at once follows from it; one always is, whatever it takes. It is at most
	// 1,048,576. Of several Services in a process the greatest that was set counts. Defaults to 80, or to a quarter of
	// what the process may have where its control group (memory.max of cgroup v2) or GOMEMLIMIT leaves it less than
	// 320: a small program then stays under 128 MiB on any number of processors.
	RecoveryMemory int

	// Tokens has the rules of access tokens. Defaults to none: then every method for tokens answers
	// ErrState.
	Tokens *tokens.Policy

	// Posture has the controls and gates by which accounts are judged. Defaults to none: then Review,
	// Require and their kind answer ErrState, and minting has no gate.
	Posture *posture.Policy

	// HostFacts returns what the host knows of an account, for Posture. It is asked by Review and its kind, after
	// changes that may move the posture, and for a gate whose controls read it. An error, a panic or an answer that
	// takes over 2 seconds is no evidence: what would have come from it is unknown. At most 64 calls run at a time,
	// those that were given up among them; what finds no place in time is unknown as well. Defaults to a host that
	// signs its owners in itself, has no plans, and knows nothing else.
	HostFacts func(ctx context.Context, account string) (posture.Host, error)

	// Observer is told what happens. Defaults to none; but an owner who is not told of a new
	// authenticator or of a recovery code that was used cannot object.
	Observer event.Observer

	// Now is there for tests. A wrong clock denies right codes for as long as it is wrong, and what has a time
	// counts for longer while it runs behind. Defaults to time.Now.
	Now func() time.Time
}

const maxRecoveryMemory = 1 << 20 // MiB

// Service is safe for concurrent use. It holds per-account locks, events that wait for the Observer and token usage
// that is not written yet (call Close to flush these two), and the counts of Stats. Any number of processes may have
// one on the same store and with the same keys.
type Service struct {
	store    storage.Store
	issuer   string
	keys     *keyring.Ring
	sealer   keyring.Sealer
	window   totp.Window
	recovery recovery.Params
	now      func() time.Time
	turns    queue.Turns    // of accounts that are changed
	line     queue.Turns    // of accounts that need Argon2id
	policy   *tokens.Policy // settled; nil: no tokens
	usage    *usage

	posture *posture.Policy // nil: none
	host    *host

	observers *observers
}

// New returns a Service, or ErrInvalid if the Config lacks something or has something out of bounds.
func New(store storage.Store, c Config) (*Service, error) {
	s := &Service{
		store: store, issuer: c.Issuer, keys: c.Keys, sealer: c.Sealer,
		window: totp.DefaultWindow(), recovery: c.Recovery, now: c.Now,
		posture: c.Posture, host: newHost(c.HostFacts), observers: newObservers(c.Observer),
	}
	if c.Window != nil {
		s.window = *c.Window
	}
	if s.recovery == (recovery.Params{}) {
		s.recovery = recovery.DefaultParams()
	}
	if s.now == nil {
		s.now = time.Now
	}
	if store == nil {
		return nil, fmt.Errorf("%w: no store", ErrInvalid)
	}
	if c.Keys == nil || c.Keys.Primary() == "" {
		return nil, fmt.Errorf("%w: no keys", ErrInvalid)
	}
	if s.sealer == nil {
		s.sealer = c.Keys
	}
	if _, err := (totp.Key{Secret: totp.GenerateSecret(), Algorithm: totp.SHA256}).URI(c.Issuer, "account"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := errors.Join(s.window.Check(), s.recovery.Check()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if c.RecoveryMemory < 0 || c.RecoveryMemory > maxRecoveryMemory {
		return nil, fmt.Errorf("%w: RecoveryMemory is 0 to %d MiB", ErrInvalid, maxRecoveryMemory)
	}
	if c.Tokens != nil {
		policy, err := c.Tokens.Settle()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		s.policy = &policy
	}
	s.usage = newUsage(store)
	queue.Argon2.Ask(c.RecoveryMemory << 20)
	return s, nil
}

// Option is a detail of one call. A method refuses an option that it does not use with ErrInvalid.
type Option func(*options)

type options struct {
	given   optionKind
	session []byte
	from    netip.Addr
	account *string // nil: any
}

// optionKind is a set of options.
type optionKind uint8

const (
	inSession optionKind = 1 << iota
	ofAccount
	fromAddress

	ofProofs = inSession | ofAccount
)

// of reports whether an account is one that the call is about.
func (o options) of(account string) bool { return o.account == nil || *o.account == account }

// InSession ties proofs to a session of the host, by any value that the session keeps and no other
// has (its ID, or a random value in it). A proof made with one is refused without it and under any
// other. Defaults to no tie: then a proof is worth the same in every session, so it must be kept
// where only its own session can read it.
func InSession(session string) Option {
	return func(o *options) { o.session, o.given = digest(session), o.given|inSession }
}

// OfAccount has a proof or a challenge of any other account refused, for hosts whose session names its account
// beside them. A method that is told an account refuses another one with ErrInvalid. Defaults to whatever account
// it is of.
func OfAccount(account string) Option {
	return func(o *options) { o.account, o.given = &account, o.given|ofAccount }
}

// From says from which address a token came, for AuthenticateToken and RotateToken. It is for the host
// to know its own proxies: no header is read here. Defaults to unknown, from where a token that is
// restricted to networks is denied.
func From(address netip.Addr) Option {
	return func(o *options) { o.from, o.given = address.Unmap().WithZone(""), o.given|fromAddress }
}

// optionsOf returns the options of a method that uses some of them. Another one is ErrInvalid: whoever gave it
// relies on a check that nobody makes.
func optionsOf(opts []Option, used optionKind) (o options, err error) {
	for _, opt := range opts {
		opt(&o)
	}
	if o.given&^used != 0 {
		return options{}, fmt.Errorf("%w: an option that this method does not use", ErrInvalid)
	}
	return o, nil
}

// about returns the options of a method that is told an account and makes a proof of it.
func about(account string, opts []Option) (options, error) {
	o, err := optionsOf(opts, ofProofs)
	if err == nil && !o.of(account) {
		err = fmt.Errorf("%w: the account is not the one of OfAccount", ErrInvalid)
	}
	return o, err
}

func (s *Service) env() core.Env {
	return core.Env{
		Now: time.Unix(s.now().Unix(), 0).UTC(), Fresh: fresh(), Window: s.window,
		SecondFactorOnly: s.policy != nil && s.policy.SecondFactorOnly,
	}
}

// fresh returns a random number that is not 0.
func fresh() int64 {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails: the process ends instead
		if n := int64(binary.BigEndian.Uint64(b[:])); n != 0 {
			return n
		}
	}
}

func checkID(account string) error {
	if err := storage.CheckID(account); err != nil {
		return fmt.Errorf("%w: account ID: %w", ErrInvalid, err)
	}
	return nil
}

// load returns an account, without a record if there is none.
func (s *Service) load(ctx context.Context, id string) (core.Account, storage.Record, error) {
	if err := checkID(id); err != nil {
		return core.Account{}, storage.Record{}, err
	}
	rec, err := retry(ctx, func() (storage.Record, error) { return s.store.LoadAccount(ctx, id) })
	if errors.Is(err, storage.ErrNotFound) {
		return core.Account{ID: id}, storage.Record{}, nil
	}
	if err != nil {
		return core.Account{}, storage.Record{}, fmt.Errorf("gatehouse: load account: %w", err)
	}
	if rec.ID != id { // a store that folds case or accents
		return core.Account{}, storage.Record{}, errors.New("gatehouse: load account: the store has answered with another")
	}
	a, err := core.Decode(id, rec.Data)
	return a, rec, err
}
