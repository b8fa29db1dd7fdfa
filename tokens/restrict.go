package tokens

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/text"
)

const (
	maxResources = 100
	maxResource  = 255
	maxNetworks  = 32
)

// Resources says which of a host's resources a token reaches. The zero value restricts nothing;
// OnlyResources restricts, without any resource to none.
type Resources struct {
	only    bool
	entries []string
}

// OnlyResources restricts a token to at most 100 resources: the host's IDs, such as "project/7", of 1
// to 255 bytes of printable UTF-8. One that ends in "*" means all that begin with what is before
// it; the policy's Separator says where such a prefix may end.
func OnlyResources(ids ...string) (Resources, error) {
	if len(ids) > maxResources {
		return Resources{}, fmt.Errorf("%w: %d resources, where at most %d can be", ErrInvalid, len(ids), maxResources)
	}
	for i, id := range ids {
		if !text.Trimmed(id, 1, maxResource) || strings.Contains(strings.TrimSuffix(id, "*"), "*") || id == "*" {
			return Resources{}, fmt.Errorf("%w: resource %d of the list", ErrInvalid, i+1)
		}
	}
	entries := slices.Clone(ids)
	slices.Sort(entries)
	return Resources{true, slices.Compact(entries)}, nil
}

// Only returns the entries in order, and whether there is a restriction at all.
func (r Resources) Only() (entries []string, restricted bool) { return slices.Clone(r.entries), r.only }

// Has reports whether the token reaches a resource. A restricted one does not reach "", what belongs
// to no resource.
func (r Resources) Has(id string) bool {
	return !r.only || slices.ContainsFunc(r.entries, func(entry string) bool {
		if prefix, ok := strings.CutSuffix(entry, "*"); ok {
			return len(id) > len(prefix) && strings.HasPrefix(id, prefix)
		}
		return id == entry
	})
}

// within returns ErrInvalid unless each prefix ends in the separator.
func (r Resources) within(separator string) error {
	for i, entry := range r.entries {
		prefix, ok := strings.CutSuffix(entry, "*")
		if ok && (separator == "" || !strings.HasSuffix(prefix, separator)) {
			return fmt.Errorf("%w: resource %d, in order, may not stand for all that begin with it", ErrInvalid, i+1)
		}
	}
	return nil
}

// Networks says from which addresses a token may be used. The zero value restricts nothing;
// OnlyNetworks restricts, without any network to none.
type Networks struct {
	only     bool
	prefixes []netip.Prefix
}

// OnlyNetworks restricts a token to at most 32 networks: addresses, or CIDRs (RFC 4632) with no bit
// set behind their length.
func OnlyNetworks(cidrs ...string) (Networks, error) {
	if len(cidrs) > maxNetworks {
		return Networks{}, fmt.Errorf("%w: %d networks, where at most %d can be", ErrInvalid, len(cidrs), maxNetworks)
	}
	n := Networks{only: true}
	for i, text := range cidrs {
		p, err := parseNetwork(text)
		if err != nil || p.Masked() != p || p.Addr().Is4In6() {
			return Networks{}, fmt.Errorf("%w: network %d of the list is none, or has bits behind its length", ErrInvalid, i+1)
		}
		n.prefixes = append(n.prefixes, p)
	}
	slices.SortFunc(n.prefixes, netip.Prefix.Compare)
	n.prefixes = slices.Compact(n.prefixes)
	return n, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, ErrInvalid
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// Only returns the networks in order, and whether there is a restriction at all.
func (n Networks) Only() (cidrs []string, restricted bool) {
	for _, p := range n.prefixes {
		cidrs = append(cidrs, p.String())
	}
	return cidrs, n.only
}

// Has reports whether the token may be used from an address. A restricted one may not where the
// address is not known: the zero Addr.
func (n Networks) Has(a netip.Addr) bool {
	return !n.only || slices.ContainsFunc(n.prefixes, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}
