package ceremony_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"testing/cryptotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

var update = flag.Bool("update", false, "write the corpus in passkey/testdata again")

const corpusFile = "../../testdata/corpus.json"

// The file that others can test their servers with; its form is described in testdata/README.md.
type corpusJSON struct {
	About   string               `json:"about"`
	Parties map[string]partyJSON `json:"parties"`
	Cases   []entry              `json:"cases"`
}

type partyJSON struct {
	ID         string   `json:"rpId"`
	Origins    []string `json:"origins"`
	TopOrigins []string `json:"topOrigins"`
}

type entry struct {
	Name      string     `json:"name"`
	Ceremony  string     `json:"ceremony"`
	Party     string     `json:"party"`
	Challenge string     `json:"challenge"`
	Key       string     `json:"key,omitempty"`
	Response  string     `json:"response,omitempty"`
	Bytes     string     `json:"responseBytes,omitempty"`
	Answer    string     `json:"answer"`
	Why       string     `json:"why"`
	Found     *foundJSON `json:"found,omitempty"`
}

type foundJSON struct {
	Credential   string `json:"credential,omitempty"`
	PublicKey    string `json:"publicKey,omitempty"`
	AAGUID       string `json:"aaguid,omitempty"`
	UserVerified bool   `json:"userVerified"`
	Eligible     bool   `json:"backupEligible"`
	BackedUp     bool   `json:"backedUp"`
	Count        uint32 `json:"count"`
}

const accepted = "accepted"

// Ours, and that of the standard's own vectors.
var parties = map[string]ceremony.Party{
	"acme": acme,
	"w3c":  {ID: "example.org", Name: "W3C", Origins: []string{"https://example.org"}, TopOrigins: []string{"https://example.com"}},
}

// answer is what the ceremony says to a response: its reason, or accepted with what was found.
func (e entry) answer(t testing.TB, c *ceremony.Ceremony) (string, *foundJSON) {
	t.Helper()
	response := []byte(e.Response)
	if e.Bytes != "" {
		response = decode(t, e.Bytes)
	}
	var credential ceremony.Credential
	var err error
	if e.Ceremony == "registration" {
		credential, err = checkRegistration(c, decode(t, e.Challenge), response)
	} else {
		credential.Finding, err = checkAssertion(c, decode(t, e.Challenge), decode(t, e.Key), response)
	}
	if err != nil {
		var no *ceremony.Refused
		require.ErrorAs(t, err, &no, e.Name)
		require.Empty(t, credential, e.Name)
		return string(no.Reason), nil
	}
	found := foundJSON{
		Credential: encode(credential.ID), PublicKey: encode(credential.PublicKey),
		UserVerified: credential.UserVerified, Eligible: credential.Eligible, BackedUp: credential.BackedUp, Count: credential.Count,
	}
	if e.Ceremony == "registration" {
		found.AAGUID = encode(credential.AAGUID[:])
	}
	return accepted, &found
}

// TestCorpus runs the published cases. With -update it makes them first, the same ones each time.
func TestCorpus(t *testing.T) {
	made := makeCorpus(t)
	if *update {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		require.NoError(t, enc.Encode(made))
		require.NoError(t, os.WriteFile(corpusFile, out.Bytes(), 0o644))
	}
	text, err := os.ReadFile(corpusFile)
	require.NoError(t, err)
	var read corpusJSON
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, made.Parties, read.Parties)
	require.Len(t, read.Cases, len(made.Cases), "written before a case was added: go test -run TestCorpus -update")
	ceremonies := map[string]*ceremony.Ceremony{}
	for name, p := range parties {
		ceremonies[name] = party(t, p)
	}
	counts := map[string]int{}
	for i, e := range read.Cases {
		m := made.Cases[i]
		require.Equal(t, m.Name, e.Name)
		require.Equal(t, m.Answer, e.Answer, e.Name)
		counts[e.Answer]++
		for _, e := range []entry{e, m} { // m has other keys where the library that made them changed
			answer, found := e.answer(t, ceremonies[e.Party])
			if answer != e.Answer {
				t.Errorf("%s: %s, not %s: %s\n%s", e.Name, answer, e.Answer, e.Why, e.Response)
				break
			}
			require.Equal(t, e.Found, found, e.Name)
		}
	}
	t.Log(len(read.Cases), "cases", counts)
	for _, reason := range []ceremony.Reason{
		ceremony.Malformed, ceremony.Type, ceremony.Challenge, ceremony.Origin, ceremony.CrossOrigin, ceremony.RPID, ceremony.Presence,
		ceremony.Backup, ceremony.Algorithm, ceremony.Key, ceremony.Signature, ceremony.Attestation, accepted,
	} {
		require.NotZero(t, counts[string(reason)], reason)
	}
}

// corpus collects cases. Whatever is not the subject of a case is right in it.
type corpus struct {
	t       testing.TB
	c       *ceremony.Ceremony
	entries []entry
	names   map[string]bool
}

func makeCorpus(t *testing.T) corpusJSON {
	t.Helper()
	cryptotest.SetGlobalRandom(t, 17)
	c := &corpus{t: t, c: party(t, acme), names: map[string]bool{}}
	c.honest()
	c.clientData()
	c.authData()
	c.credentialData()
	c.keys()
	c.attestations()
	c.signatures()
	c.storedKeys()
	c.json()
	c.w3c()
	out := corpusJSON{About: "Responses to WebAuthn ceremonies, and what a Relying Party must answer: see README.md", Parties: map[string]partyJSON{}, Cases: c.entries}
	for name, p := range parties {
		out.Parties[name] = partyJSON{ID: p.ID, Origins: append(p.Origins[:len(p.Origins):len(p.Origins)], p.Related...), TopOrigins: p.TopOrigins}
	}
	return out
}

// add keeps a case. What an accepted one finds is recorded as it was found: the tests of the ceremonies hold that.
func (c *corpus) add(kind, name, answer, why string, key, response []byte) {
	c.entry(entry{Party: "acme", Ceremony: kind, Name: kind + ": " + name, Challenge: encode(challenge), Answer: answer, Why: why}, key, response)
}

func (c *corpus) entry(e entry, key, response []byte) {
	c.t.Helper()
	require.False(c.t, c.names[e.Name], "%s is there twice", e.Name)
	c.names[e.Name] = true
	e.Response = string(response)
	if !utf8.Valid(response) {
		e.Response, e.Bytes = "", encode(response)
	}
	if key != nil {
		e.Key = encode(key)
	}
	if e.Answer == accepted {
		_, e.Found = e.answer(c.t, party(c.t, parties[e.Party]))
	}
	c.entries = append(c.entries, e)
}

// phone is an authenticator with one credential, and the key that a server keeps of it.
func (c *corpus) phone(algorithm passkeytest.Algorithm) (*passkeytest.Authenticator, []byte) {
	c.t.Helper()
	a := passkeytest.New("https://acme.test")
	a.Algorithm, a.Eligible, a.BackedUp, a.Count = algorithm, true, true, 1
	k, err := checkRegistration(c.c, challenge, register(c.t, c.c, a))
	require.NoError(c.t, err)
	return a, k.PublicKey
}

// signed adds a registration and an assertion whose fault, or oddity, was signed with the rest.
func (c *corpus) signed(name, answer, why string, tamper func(*passkeytest.Draft)) {
	c.t.Helper()
	c.signedRegistration(name, answer, why, tamper)
	c.signedAssertion(name, answer, why, tamper)
}

func (c *corpus) signedRegistration(name, answer, why string, tamper func(*passkeytest.Draft)) {
	c.t.Helper()
	a, _ := c.phone(passkeytest.ES256)
	a.Tamper = tamper
	c.add("registration", name, answer, why, nil, register(c.t, c.c, a))
}

func (c *corpus) signedAssertion(name, answer, why string, tamper func(*passkeytest.Draft)) {
	c.t.Helper()
	a, key := c.phone(passkeytest.ES256)
	a.Tamper = tamper
	c.add("assertion", name, answer, why, key, assert(c.t, c.c, a))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	require.NoError(t, err)
	return b
}

// swap replaces a part of a text that must be in it.
func swap(t testing.TB, text []byte, old, new string) []byte {
	t.Helper()
	require.True(t, bytes.Contains(text, []byte(old)), "%s in %s", old, text)
	return bytes.Replace(text, []byte(old), []byte(new), 1)
}
