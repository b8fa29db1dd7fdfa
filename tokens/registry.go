package tokens

import (
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse/internal/text"
)

// Risk is what a scope can do in the wrong hands.
type Risk uint8

const (
	Low    Risk = iota // reads what is not sensitive
	Medium             // changes what can be repaired
	High               // production, money, people
)

// String returns "low", "medium" or "high".
func (r Risk) String() string {
	switch r {
	case Low:
		return "low"
	case Medium:
		return "medium"
	case High:
		return "high"
	}
	return "unknown"
}

// ScopeInfo is what a host says of one of its scopes.
type ScopeInfo struct {
	Scope       Scope
	Description string // for owners: what the scope lets a token do; up to 200 bytes
	Risk        Risk
	StepUp      bool // only a proof of the second factor mints it
}

// Registry has the scopes that a host knows.
type Registry struct {
	infos []ScopeInfo
	known map[Scope]bool
}

// NewRegistry returns a registry of at least one scope. resource:* can be minted only where it is
// listed as well.
func NewRegistry(infos ...ScopeInfo) (*Registry, error) {
	if len(infos) == 0 {
		return nil, fmt.Errorf("%w: a registry without scopes", ErrInvalid)
	}
	r := &Registry{infos: slices.Clone(infos), known: make(map[Scope]bool, len(infos))}
	for _, info := range infos {
		if err := info.Scope.Check(); err != nil {
			return nil, err
		}
		switch {
		case r.known[info.Scope]:
			return nil, fmt.Errorf("%w: %s is listed twice", ErrInvalid, info.Scope)
		case info.Risk > High:
			return nil, fmt.Errorf("%w: the risk of %s", ErrInvalid, info.Scope)
		case !text.Trimmed(info.Description, 0, maxDescription):
			return nil, fmt.Errorf("%w: the description of %s", ErrInvalid, info.Scope)
		}
		r.known[info.Scope] = true
	}
	return r, nil
}

const maxDescription = 200

// All returns the scopes in the order in which they were listed.
func (r *Registry) All() []ScopeInfo { return slices.Clone(r.infos) }

// Check returns ErrUnknownScope unless every scope is listed.
func (r *Registry) Check(scopes Scopes) error {
	for _, s := range scopes {
		if !r.known[s] {
			return fmt.Errorf("%w: %.64q", ErrUnknownScope, string(s))
		}
	}
	return nil
}

// Risk returns the highest risk of what scopes give.
func (r *Registry) Risk(scopes Scopes) Risk {
	risk := Low
	for _, info := range r.infos {
		if scopes.Has(info.Scope) {
			risk = max(risk, info.Risk)
		}
	}
	return risk
}

// StepUp reports whether anything that scopes give needs a proof of the second factor.
func (r *Registry) StepUp(scopes Scopes) bool {
	return slices.ContainsFunc(r.infos, func(info ScopeInfo) bool { return info.StepUp && scopes.Has(info.Scope) })
}
