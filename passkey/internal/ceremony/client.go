package ceremony

import (
	"bytes"
	"crypto/sha256"
	"slices"
)

// clientData is what the browser says of the ceremony (WebAuthn §5.8.1); the authenticator signs its hash.
type clientData struct {
	hash        [sha256.Size]byte
	kind        string
	challenge   []byte
	origin      string
	crossOrigin bool
	topOrigin   string
}

func parseClientData(response object) (clientData, error) {
	raw, err := response.bytes("clientDataJSON", MaxResponse)
	if err != nil {
		return clientData{}, err
	}
	o, err := parseObject(raw)
	if err != nil {
		return clientData{}, refuse(Malformed, "the client data: %v", err)
	}
	d := clientData{hash: sha256.Sum256(raw)}
	if d.kind, err = o.text("type"); err != nil {
		return clientData{}, err
	}
	if d.challenge, err = o.bytes("challenge", maxChallenge); err != nil {
		return clientData{}, err
	}
	if d.origin, err = o.text("origin"); err != nil {
		return clientData{}, err
	}
	switch string(o.get("crossOrigin")) {
	case "", "false":
	case "true":
		d.crossOrigin = true
	default:
		return clientData{}, refuse(Malformed, "crossOrigin is neither true nor false")
	}
	if o.get("topOrigin") != nil {
		if d.topOrigin, err = o.text("topOrigin"); err != nil {
			return clientData{}, err
		}
		if !d.crossOrigin {
			return clientData{}, refuse(Malformed, "topOrigin without crossOrigin")
		}
	}
	return d, nil
}

// client checks the client data: WebAuthn §7.1 steps 7 to 12, §7.2 steps 11 to 16.
func (c *Ceremony) client(d clientData, kind string, challenge []byte) error {
	switch {
	case d.kind != kind:
		return refuse(Type, "the client data is not of %s", kind)
	case !bytes.Equal(d.challenge, challenge):
		return refuse(Challenge, "another challenge")
	case !slices.Contains(c.origins, d.origin):
		return refuse(Origin, "an origin that is not in the list")
	case d.crossOrigin && !slices.Contains(c.party.TopOrigins, d.topOrigin):
		return refuse(CrossOrigin, "in a frame of a page that is not in the list")
	}
	return nil
}
