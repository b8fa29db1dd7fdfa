package ceremony_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
)

const differenceFile = "../../testdata/differences.md"

// theirs is what go-webauthn alone says to a case, with a configuration as near to ours as it has.
func (e entry) theirs(t testing.TB, p ceremony.Party) error {
	response := []byte(e.Response)
	if e.Bytes != "" {
		response = decode(t, e.Bytes)
	}
	var web, apps []string
	for _, o := range append(p.Origins[:len(p.Origins):len(p.Origins)], p.Related...) {
		if strings.HasPrefix(o, "https://") {
			web = append(web, o)
		} else {
			apps = append(apps, o)
		}
	}
	const frames = protocol.TopOriginExplicitVerificationMode
	if e.Ceremony == "assertion" {
		r, err := protocol.ParseCredentialRequestResponseBytes(response)
		if err != nil {
			return err
		}
		return r.Verify(e.Challenge, p.ID, "", web, apps, p.TopOrigins, frames, true, false, true, decode(t, e.Key), protocol.SignaturePolicy{})
	}
	r, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return err
	}
	algorithms := []protocol.CredentialParameter{{Algorithm: -7}, {Algorithm: -8}, {Algorithm: -257}}
	_, err = r.Verify(e.Challenge, p.ID, web, apps, p.TopOrigins, frames, true, false, true, nil, algorithms, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	return err
}

// Where we answer otherwise than go-webauthn does, it is written down, and meant.
func TestDifferences(t *testing.T) {
	text, err := os.ReadFile(corpusFile)
	require.NoError(t, err)
	var file corpusJSON
	require.NoError(t, json.Unmarshal(text, &file))
	var out, stricter, laxer bytes.Buffer
	same := map[bool]int{}
	for _, e := range file.Cases {
		ours, theirs := e.Answer == accepted, e.theirs(t, parties[e.Party]) == nil
		line := fmt.Sprintf("| %s | %s |\n", strings.ReplaceAll(e.Name, "|", `\|`), strings.ReplaceAll(e.Why, "|", `\|`))
		switch {
		case ours == theirs:
			same[ours]++
		case theirs:
			stricter.WriteString(line)
		default:
			laxer.WriteString(line)
		}
	}
	fmt.Fprintf(&out, "# Where our answers differ from those of go-webauthn alone\n\nOf the cases in corpus.json, both accept %d and both refuse %d. Written by `go test ./internal/ceremony -run TestDifferences -update`.\n", same[true], same[false])
	fmt.Fprintf(&out, "\n## Refused here, accepted there\n\n| case | why |\n| --- | --- |\n%s", &stricter)
	fmt.Fprintf(&out, "\n## Accepted here, refused there\n\n| case | why |\n| --- | --- |\n%s", &laxer)
	if *update {
		require.NoError(t, os.WriteFile(differenceFile, out.Bytes(), 0o644))
	}
	want, err := os.ReadFile(differenceFile)
	require.NoError(t, err)
	require.Equal(t, string(want), out.String(), "if the difference is meant: go test -run TestDifferences -update")
}
