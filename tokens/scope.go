package tokens

import (
	"fmt"
	"slices"
	"strings"
)

// Scope is one right, as resource:action. Both are 1 to 31 of a-z, 0-9, '_', '.' and '-', a letter
// first; the action may be "*". projects:write implies projects:read, and projects:* every action.
type Scope string

// MaxScopes is how many scopes a token can have.
const MaxScopes = 63

const maxScopeName = 31

// Check returns ErrInvalid unless the scope is well-formed.
func (s Scope) Check() error {
	resource, action, ok := strings.Cut(string(s), ":")
	if !ok || !isScopeName(resource) || action != "*" && !isScopeName(action) {
		return fmt.Errorf("%w: a scope is resource:action or resource:*, in lower case", ErrInvalid)
	}
	return nil
}

func isScopeName(s string) bool {
	if s == "" || len(s) > maxScopeName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// Implies reports whether a holder of s has other as well.
func (s Scope) Implies(other Scope) bool {
	if s == other {
		return true
	}
	resource, action, _ := strings.Cut(string(s), ":")
	of, wanted, _ := strings.Cut(string(other), ":")
	return resource == of && (action == "*" || action == "write" && wanted == "read")
}

// Scopes is a set of rights in normal form: sorted, and none that another one implies. NewScopes and
// ParseScopes make it. The nil set has no rights.
type Scopes []Scope

// NewScopes returns the normal form of 1 to MaxScopes scopes.
func NewScopes(list ...Scope) (Scopes, error) {
	if len(list) == 0 || len(list) > MaxScopes {
		return nil, fmt.Errorf("%w: %d scopes, where 1 to %d can be", ErrInvalid, len(list), MaxScopes)
	}
	for _, s := range list {
		if err := s.Check(); err != nil {
			return nil, err
		}
	}
	return normal(list), nil
}

func normal(list []Scope) Scopes {
	var out Scopes
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	for _, s := range slices.Compact(sorted) {
		implied := slices.ContainsFunc(list, func(other Scope) bool { return other != s && other.Implies(s) })
		if !implied {
			out = append(out, s)
		}
	}
	return out
}

// ParseScopes reads scopes as OAuth writes them, with a space between (RFC 6749 §3.3).
func ParseScopes(text string) (Scopes, error) {
	if len(text) > MaxScopes*(2*maxScopeName+2) {
		return nil, fmt.Errorf("%w: more than %d scopes", ErrInvalid, MaxScopes)
	}
	var list []Scope
	for s := range strings.SplitSeq(text, " ") {
		list = append(list, Scope(s))
	}
	return NewScopes(list...)
}

// String returns the scopes with a space between, which ParseScopes reads.
func (s Scopes) String() string {
	var text strings.Builder
	for i, scope := range s {
		if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(string(scope))
	}
	return text.String()
}

// Has reports whether the set has a right, itself or by one that implies it.
func (s Scopes) Has(scope Scope) bool {
	return slices.ContainsFunc(s, func(held Scope) bool { return held.Implies(scope) })
}

// Covers reports whether the set has every right of other.
func (s Scopes) Covers(other Scopes) bool {
	return !slices.ContainsFunc(other, func(scope Scope) bool { return !s.Has(scope) })
}

// Intersect returns the rights that both sets have.
func (s Scopes) Intersect(other Scopes) Scopes {
	var both []Scope
	for _, scope := range s {
		if other.Has(scope) {
			both = append(both, scope)
		}
	}
	for _, scope := range other {
		if s.Has(scope) {
			both = append(both, scope)
		}
	}
	return normal(both)
}

// Uses returns the bits of the scopes by which a set gives a right, bit 0 being that of the first scope.
func (s Scopes) Uses(scope Scope) int64 {
	var bits int64
	for i, held := range s[:min(len(s), MaxScopes)] {
		if held.Implies(scope) {
			bits |= 1 << i
		}
	}
	return bits
}

// Unused returns the scopes whose bits are not set.
func (s Scopes) Unused(bits int64) Scopes {
	var out Scopes
	for i, scope := range s[:min(len(s), MaxScopes)] {
		if bits&(1<<i) == 0 {
			out = append(out, scope)
		}
	}
	return out
}
