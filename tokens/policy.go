package tokens

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/text"
)

const (
	day = 24 * time.Hour

	// MaxLifetime is the longest that a policy can let a token live before it has to be renewed or
	// rotated.
	MaxLifetime = 365 * day
	// MaxGrace is the longest that a policy can let a rotated token work besides its successor.
	MaxGrace = 30 * day
	// MaxSelfGrace is the longest that a token which has rotated itself can work besides its successor, under any
	// policy.
	MaxSelfGrace = day

	maxActive = 100_000
)

// Policy says under which rules tokens are minted.
type Policy struct {
	// Brand begins every token, so that a person and a scanner see whose it is: see CheckBrand. To
	// change it ends every token that is out. There is no default.
	Brand string

	// Scopes has all that can be minted. There is no default.
	Scopes *Registry

	// Kinds are the host's own, besides pat, cli, app and svc. Defaults to none.
	Kinds []Kind

	// Lifetime is that of a token for which none is asked. Defaults to 30 days, or to MaxLifetime where
	// that is less.
	Lifetime time.Duration

	// MaxLifetime is the most that can be asked, at most 365 days. Defaults to 365 days.
	MaxLifetime time.Duration

	// ClampLifetime cuts a lifetime that is longer than that. Defaults to refusing it.
	ClampLifetime bool

	// MaxGrace is the longest grace that can be asked for a rotated token, at most 30 days. Until it is over, a thief
	// of the token goes unnoticed. One that rotates itself can ask for a day at most. Defaults to 7 days.
	MaxGrace time.Duration

	// Unattended is how long a token that rotates itself can do so before its owner has to rotate it, or to renew it
	// once it has expired (OWASP ASVS 10.4.8). It is at most 365 days, and no such token lives longer at a time.
	// Defaults to 365 days.
	Unattended time.Duration

	// MaxActive is how many tokens an account can have that are neither expired nor revoked. It is
	// counted before a token is minted, so a few at once may go beyond it. Ten times as many are minted in a day (UTC)
	// at most. It is at most 100,000. Defaults to 100.
	MaxActive int

	// Separator divides the parts of the host's resource IDs, such as "/". With it a token can
	// be restricted to all resources behind a prefix that ends in it. Defaults to none: then a
	// restriction names each resource.
	Separator string

	// KeepReused leaves a token alone whose rotated predecessor is presented after its grace. Somebody
	// has an old copy then, so the default is to revoke it.
	KeepReused bool

	// SecondFactorOnly denies tokens that were made by a first factor alone once their owner has a second one, until
	// they are rotated with it. Defaults to letting them work to their end; a posture review finds them.
	SecondFactorOnly bool

	// Addresses keeps the last five addresses that a token was used from, and tells of new ones.
	// Addresses are personal data in most laws. Defaults to keeping none.
	Addresses bool
}

// settle returns the policy with its defaults filled in, or ErrInvalid.
func (p Policy) settle() (Policy, error) {
	if err := CheckBrand(p.Brand); err != nil {
		return Policy{}, err
	}
	if p.Scopes == nil {
		return Policy{}, fmt.Errorf("%w: a policy without scopes", ErrInvalid)
	}
	for _, k := range p.Kinds {
		if err := k.Check(); err != nil {
			return Policy{}, err
		}
	}
	if p.MaxLifetime == 0 {
		p.MaxLifetime = MaxLifetime
	}
	if p.Lifetime == 0 {
		p.Lifetime = min(30*day, p.MaxLifetime)
	}
	if p.MaxGrace == 0 {
		p.MaxGrace = 7 * day
	}
	if p.Unattended == 0 {
		p.Unattended = MaxLifetime
	}
	if p.MaxActive == 0 {
		p.MaxActive = 100
	}
	switch {
	case p.MaxLifetime < time.Second || p.MaxLifetime > MaxLifetime || p.Lifetime < time.Second || p.Lifetime > p.MaxLifetime:
		return Policy{}, fmt.Errorf("%w: lifetimes are a second to %v, the default one at most the longest", ErrInvalid, MaxLifetime)
	case p.MaxGrace < time.Second || p.MaxGrace > MaxGrace:
		return Policy{}, fmt.Errorf("%w: the most of a grace is a second to %v", ErrInvalid, MaxGrace)
	case p.Unattended < time.Second || p.Unattended > MaxLifetime:
		return Policy{}, fmt.Errorf("%w: a token rotates itself for a second to %v", ErrInvalid, MaxLifetime)
	case p.MaxActive < 1 || p.MaxActive > maxActive:
		return Policy{}, fmt.Errorf("%w: 1 to %d active tokens", ErrInvalid, maxActive)
	case !text.Trimmed(p.Separator, 0, 8) || strings.Contains(p.Separator, "*"):
		return Policy{}, fmt.Errorf("%w: a separator is up to 8 bytes without %q", ErrInvalid, "*")
	}
	p.Kinds = slices.Concat([]Kind{Personal, CommandLine, App, Machine}, p.Kinds)
	return p, nil
}

// Request describes a token to be minted.
type Request struct {
	// Name is for its owner to know it by: 1 to 64 bytes of printable UTF-8.
	Name string
	// Kind defaults to Personal.
	Kind Kind
	// Scopes are its rights; at least one. A token never gets more.
	Scopes Scopes
	// Resources and Networks restrict it further. Default to no restriction.
	Resources Resources
	Networks  Networks
	// Lifetime is how long it works, from the minting on, in whole seconds. Defaults to the policy's.
	Lifetime time.Duration
	// NotBefore is when it begins to work. Defaults to at once.
	NotBefore time.Time
	// RotatesItself lets the holder of the token rotate it, without its owner. Defaults to the owner
	// alone.
	RotatesItself bool
}

// request returns a request with its defaults filled in, under a policy that settle has returned. It
// returns ErrInvalid or ErrUnknownScope if the policy refuses it.
func (p Policy) request(r Request) (Request, error) {
	if r.Kind == "" {
		r.Kind = Personal
	}
	scopes, err := NewScopes(r.Scopes...)
	if err != nil {
		return Request{}, err
	}
	r.Scopes = scopes
	if err := p.Scopes.Check(scopes); err != nil {
		return Request{}, err
	}
	if err := r.Resources.within(p.Separator); err != nil {
		return Request{}, err
	}
	if r.RotatesItself {
		p.MaxLifetime = min(p.MaxLifetime, p.Unattended)
		p.Lifetime = min(p.Lifetime, p.MaxLifetime)
	}
	if r.Lifetime, err = p.life(r.Lifetime); err != nil {
		return Request{}, err
	}
	switch {
	case !text.IsName(r.Name):
		return Request{}, fmt.Errorf("%w: a name is 1 to %d bytes of printable UTF-8 without spaces around it", ErrInvalid, text.MaxName)
	case !slices.Contains(p.Kinds, r.Kind):
		return Request{}, fmt.Errorf("%w: a kind that the policy does not have", ErrInvalid)
	}
	return r, nil
}

// life returns the lifetime that the policy gives where one is asked for, 0 for the default.
func (p Policy) life(asked time.Duration) (time.Duration, error) {
	switch {
	case asked == 0:
		return p.Lifetime, nil
	case asked < time.Second:
		return 0, fmt.Errorf("%w: a lifetime is at least a second", ErrInvalid)
	case asked > p.MaxLifetime && p.ClampLifetime:
		return p.MaxLifetime, nil
	case asked > p.MaxLifetime:
		return 0, fmt.Errorf("%w: a lifetime is at most %v here", ErrInvalid, p.MaxLifetime)
	}
	return asked, nil
}
