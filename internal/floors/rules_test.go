package floors_test

import (
	"fmt"
	"slices"
	"strings"
)

// rule says what one package may import. Tests may import more.
type rule struct {
	ours  []string // packages of this module
	pure  bool     // nothing of impure
	may   []string // what of impure a pure package may import all the same
	links []string // what of heavy it may link, itself or through others
}

var (
	lower  = []string{"totp", "recovery", "tokens", "posture", "keyring", "storage"}
	leaves = []string{"internal/redact", "internal/wire", "event"}
)

// rules has every package of the house by its directory, "." being the root package. Those not
// built yet are in it as well.
var rules = map[string]rule{
	"internal/redact":     {pure: true, may: []string{"log/slog"}}, // for LogValue
	"internal/wire":       {pure: true},
	"internal/queue":      {},
	"internal/secretfile": {},
	"internal/testneed":   {links: []string{"testing"}},
	"internal/floors":     {},

	"event":    {pure: true, may: []string{"context", "log/slog"}}, // of an Observer, and of the one that logs
	"totp":     {ours: leaves, pure: true, may: []string{"crypto/rand"}},
	"recovery": {ours: leaves, pure: true, may: []string{"crypto/rand"}},
	"tokens":   {ours: leaves, pure: true, may: []string{"crypto/rand"}},
	"posture":  {ours: leaves, pure: true},
	"keyring":  {ours: append([]string{"internal/secretfile"}, leaves...)},
	"storage":  {},

	"storage/memory":      {ours: []string{"storage"}},
	"storage/sqlstore":    {ours: []string{"storage"}, links: []string{"database/sql"}},
	"storage/storagetest": {ours: []string{"storage"}, links: []string{"testing"}},

	"internal/core": {
		ours: slices.Concat(leaves, []string{"totp", "recovery", "tokens", "posture", "storage"}),
		pure: true,
	},
	// No adapter: nobody gets a store that was not asked for.
	".": {ours: slices.Concat(leaves, lower, []string{"internal/core", "internal/queue"})},

	"httpguard":     {ours: slices.Concat(leaves, lower, []string{"."}), links: []string{"net", "net/http"}},
	"securitypage":  {ours: slices.Concat(leaves, lower, []string{".", "httpguard", "internal/queue"}), links: []string{"net", "net/http"}},
	"gatehousetest": {ours: slices.Concat(leaves, lower, []string{".", "storage/memory"}), links: []string{"testing"}},
}

// impure has what reaches out of a function or keeps it from being repeatable, subpackages included.
// net/url and net/netip only parse. The calls of package time that read or wait for the clock are found apart.
var impure = []string{
	"context", "crypto/rand", "database", "log", "math/rand", "net", "os", "plugin", "syscall", "testing",
}

// heavy has what no program must be made to link by a package that does not need it.
var heavy = []string{"database/sql", "net", "net/http", "testing"}

// pkg is a package of the root module as it is. Its tests do not count.
type pkg struct {
	dir     string   // below the module's root, with slashes
	ours    []string // directories of the packages of this module that it imports
	imports []string // the other packages that it imports
	links   []string // the other packages that it imports, itself or through others
	clock   []string // where it reads or waits for the clock
}

// broken returns what in pkgs breaks the rules, one sentence each.
func broken(pkgs []pkg) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, p := range pkgs {
		r, ok := rules[p.dir]
		if !ok {
			say("%s has no rule: add one to rules in internal/floors/rules_test.go", p.dir)
			continue
		}
		for _, dir := range p.ours {
			if !slices.Contains(r.ours, dir) {
				say("%s must not import %s", p.dir, dir)
			}
		}
		for _, path := range p.links {
			if slices.Contains(heavy, path) && !slices.Contains(r.links, path) {
				say("%s must not link %s", p.dir, path)
			}
		}
		if !r.pure {
			continue
		}
		for _, path := range p.imports {
			if isImpure(path) && !slices.Contains(r.may, path) {
				say("%s is pure and must not import %s", p.dir, path)
			}
		}
		for _, call := range p.clock {
			say("%s is pure and must not use the clock: %s", p.dir, call)
		}
	}
	return out
}

func isImpure(path string) bool {
	return path != "net/url" && path != "net/netip" && slices.ContainsFunc(impure, func(root string) bool {
		return path == root || strings.HasPrefix(path, root+"/")
	})
}
