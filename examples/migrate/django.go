package migrate

import (
	"encoding/base32"
	"encoding/hex"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// DjangoDevice is a row of django-otp's table otp_totp_totpdevice.
type DjangoDevice struct {
	Name      string
	Confirmed bool
	Key       string // hexadecimal
	Step      int    // seconds
	T0        int64
	Digits    int
	LastT     int64 // -1: none
	// tolerance and drift have no counterpart: Config.Window is one for all.
}

// FromDjango returns what Gatehouse takes of a user: the devices, the tokens of the user's confirmed static devices
// (otp_static_statictoken), and whether the user has other devices, by mail or telephone. ok is false for a user without
// a second factor: do not import it.
func FromDjango(devices []DjangoDevice, tokens []string, others bool) (in gatehouse.Import, ok bool) {
	in = closing(in)
	for _, d := range devices {
		if d.Confirmed { // otherwise its owner has not shown a code yet, and is not asked for one
			in.Authenticators = append(in.Authenticators, d.authenticator())
		}
	}
	for _, token := range tokens {
		in.RecoveryCodes = append(in.RecoveryCodes, recovery.ForeignCode(token))
	}
	return in, len(in.Authenticators) > 0 || len(tokens) > 0 || others
}

func (d DjangoDevice) authenticator() gatehouse.ImportAuthenticator {
	a := gatehouse.ImportAuthenticator{Name: d.Name, Digits: d.Digits, Period: time.Duration(d.Step) * time.Second}
	if d.T0 != 0 { // its codes are those of other steps: without its secret it is left out
		return a
	}
	if d.Step == 30 {
		a.LastStep = max(d.LastT, 0) // 0 is unknown: every code so far counts as used
	}
	if key, err := hex.DecodeString(d.Key); err == nil {
		a.Secret, _, _ = totp.ParseImported(base32.StdEncoding.EncodeToString(key))
	}
	return a
}
