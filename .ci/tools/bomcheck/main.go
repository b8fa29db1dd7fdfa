// Command bomcheck compares a software bill of materials, as scripts/bill-of-materials writes it, with the command that
// it is of: bomcheck COMMAND BILL.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bomcheck: ")
	if len(os.Args) != 3 {
		log.Fatal("it takes two arguments: COMMAND BILL")
	}
	info, err := buildinfo.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	command, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if wrong := check(info, sha256.Sum256(command), text); len(wrong) > 0 {
		log.Fatal(strings.Join(wrong, "\n"))
	}
	fmt.Printf("%s names the %d modules of %s and the standard library\n", os.Args[2], len(info.Deps), os.Args[1])
}

// bill has the fields of CycloneDX that are checked.
type bill struct {
	BOMFormat    string
	SpecVersion  string
	SerialNumber *string
	Metadata     struct {
		Timestamp  *string
		Component  component
		Properties []struct{ Name, Value string }
	}
	Components []component
}

type component struct {
	Name, Version, PURL string
	Hashes              []struct{ Alg, Content string }
}

// check returns what is wrong with a bill, one line each. It must name every module that the command was built from,
// with its version and its hash, the standard library, and nothing else, and must be the same each time it is written.
func check(info *debug.BuildInfo, command [sha256.Size]byte, text []byte) []string {
	var b bill
	if err := json.Unmarshal(text, &b); err != nil {
		return []string{"no JSON: " + err.Error()}
	}
	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if b.BOMFormat != "CycloneDX" || b.SpecVersion != "1.6" {
		say("format %q %q, and not CycloneDX 1.6", b.BOMFormat, b.SpecVersion)
	}
	if b.SerialNumber != nil || b.Metadata.Timestamp != nil {
		say("a serial number or a time, which differ each time it is written")
	}
	if b.Metadata.Component.Name != info.Main.Path {
		say("it is of %q, and the command is %q", b.Metadata.Component.Name, info.Main.Path)
	}
	var of []string
	for _, p := range b.Metadata.Properties {
		if p.Name == "cdx:gomod:binary:hash:SHA-256" {
			of = append(of, p.Value)
		}
	}
	if want := hex.EncodeToString(command[:]); !slices.Equal(of, []string{want}) {
		say("it is of a command with hash %q, and this one has %s", of, want)
	}
	var got, want []string
	for _, c := range b.Components {
		got = append(got, fmt.Sprint(c.Name, " ", c.Version, " ", c.PURL[:max(strings.IndexByte(c.PURL, '?'), 0)], " ", c.Hashes))
	}
	for _, m := range append(slices.Clone(info.Deps), &debug.Module{Path: "std", Version: info.GoVersion}) {
		if m.Replace != nil {
			m = m.Replace
		}
		hashes := component{}.Hashes
		if m.Sum != "" {
			hash, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
			if err != nil {
				say("sum of %s: %v", m.Path, err)
			}
			hashes = append(hashes, struct{ Alg, Content string }{"SHA-256", hex.EncodeToString(hash)})
		}
		want = append(want, fmt.Sprint(m.Path, " ", m.Version, " pkg:golang/", m.Path, "@", m.Version, " ", hashes))
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			say("missing: %s", line)
		}
	}
	for i, line := range got {
		if !slices.Contains(want, line) || slices.Contains(got[:i], line) {
			say("not in the command, or twice: %s", line)
		}
	}
	return wrong
}
