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
	part  part     // files of it that are pure, in a package that is not
}

// part is some files of a package, by their names without ".go", and what they may import.
type part struct {
	files []string
	ours  []string // packages of this module
	may   []string // what of impure
}

var (
	lower  = []string{"totp", "recovery", "keyring", "storage"}
	leaves = []string{"internal/redact", "internal/text", "internal/wire", "event"}
	// machine is how services change accounts.
	machine = []string{"internal/core", "internal/engine", "internal/queue"}
	// uuid is what google/uuid links, to find a network card for IDs of version 1, of which we make none.
	uuid = []string{"net"}
)

// rules has every package of the house by its directory, "." being the root package. Those not
// built yet are in it as well.
var rules = map[string]rule{
	"internal/redact":     {pure: true, may: []string{"log/slog"}}, // for LogValue
	"internal/wire":       {pure: true},
	"internal/text":       {pure: true},
	"internal/queue":      {},
	"internal/local":      {ours: leaves, links: []string{"net", "net/http"}},
	"internal/secretfile": {},
	"internal/attack":     {},
	"internal/vectors":    {},
	"internal/testneed":   {links: []string{"testing"}},
	"internal/floors":     {},

	"event":    {pure: true, may: []string{"context", "log/slog"}}, // of an Observer, and of the one that logs
	"totp":     {ours: leaves, pure: true, may: []string{"crypto/rand"}},
	"recovery": {ours: leaves, pure: true, may: []string{"crypto/rand"}},
	"keyring":  {ours: append([]string{"internal/secretfile"}, leaves...)},
	"storage":  {},

	"storage/memory":   {ours: []string{"storage"}},
	"storage/sqlstore": {ours: []string{"storage"}, links: []string{"database/sql"}},
	// It runs services on the store that it tests, beside one in memory.
	"storage/storagetest": {
		ours:  []string{".", "event", "keyring", "notify", "recovery", "storage", "storage/memory", "tokens", "totp"},
		links: append([]string{"testing"}, uuid...),
	},

	"internal/core": {
		ours: slices.Concat(leaves, []string{"totp", "recovery", "storage"}),
		pure: true,
	},
	// No adapter: nobody gets a store that was not asked for.
	"internal/engine": {ours: slices.Concat(leaves, lower, []string{"internal/core", "internal/queue"})},

	".": {ours: slices.Concat(leaves, lower, machine), links: uuid},

	// Services that stand on the engine. The files that decide are pure: those of posture decide on the view of an
	// account and of its tokens, and so they import the types, that of methods in event among them.
	"tokens": {
		ours:  slices.Concat(leaves, lower, machine, []string{"."}),
		links: uuid,
		part: part{
			files: []string{"doc", "env", "escape", "find", "policy", "record", "record_change", "record_encode", "registry", "restrict", "scope", "text"},
			ours:  slices.Concat(leaves, []string{"storage", "internal/core"}),
			may:   []string{"crypto/rand"},
		},
	},
	"posture": {
		ours:  slices.Concat(leaves, lower, machine, []string{".", "tokens"}),
		links: uuid,
		part: part{
			files: []string{"builtin", "compare", "control", "doc", "facts", "gate", "model", "next", "reasons", "report", "text"},
			ours:  []string{".", "event", "tokens"},
		},
	},

	"notify": {ours: slices.Concat(leaves, lower, machine, []string{"."}), links: uuid},
	// Sinks are packages of their own: whoever has one of their own links no tables of languages, and no HTTP.
	"notify/email":   {ours: []string{".", "event", "notify", "internal/words"}, links: []string{"net"}},
	"notify/webhook": {ours: []string{".", "event", "notify", "internal/redact"}, links: []string{"net", "net/http"}},

	// The page's texts: of all that links a program, it alone has tables of languages.
	"internal/words": {ours: []string{"posture"}, links: uuid},

	// No database/sql: a store of somebody's own can have transactions too.
	"hosttx": {ours: []string{".", "event", "internal/engine", "recovery", "storage"}, links: uuid},

	"websession":    {ours: slices.Concat(leaves, lower, machine, []string{".", "internal/local"}), links: []string{"net", "net/http"}},
	"httpguard":     {ours: slices.Concat(leaves, lower, []string{".", "tokens", "posture", "internal/local"}), links: []string{"net", "net/http"}},
	"securitypage":  {ours: slices.Concat(leaves, lower, []string{".", "tokens", "posture", "httpguard", "websession", "internal/local", "internal/queue", "internal/words"}), links: []string{"net", "net/http"}},
	"gatehousetest": {ours: slices.Concat(leaves, lower, machine, []string{".", "storage/memory"}), links: []string{"net", "net/http", "testing"}},
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

	files map[string]pkg // each of its files alone, by its name without ".go"; only ours, imports and clock
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
		for _, name := range r.part.files {
			f, ok := p.files[name]
			if !ok {
				say("%s has no %s.go: change rules in internal/floors/rules_test.go", p.dir, name)
			}
			for _, dir := range f.ours {
				if !slices.Contains(r.part.ours, dir) {
					say("%s/%s.go is pure and must not import %s", p.dir, name, dir)
				}
			}
			out = append(out, impurities(p.dir+"/"+name+".go", f, r.part.may)...)
		}
		if r.pure {
			out = append(out, impurities(p.dir, p, r.may)...)
		}
	}
	return out
}

// impurities returns what keeps a package or a file from being pure, one sentence each.
func impurities(name string, p pkg, may []string) []string {
	var out []string
	for _, path := range p.imports {
		if isImpure(path) && !slices.Contains(may, path) {
			out = append(out, fmt.Sprintf("%s is pure and must not import %s", name, path))
		}
	}
	for _, call := range p.clock {
		out = append(out, fmt.Sprintf("%s is pure and must not use the clock: %s", name, call))
	}
	return out
}

func isImpure(path string) bool {
	return path != "net/url" && path != "net/netip" && slices.ContainsFunc(impure, func(root string) bool {
		return path == root || strings.HasPrefix(path, root+"/")
	})
}
