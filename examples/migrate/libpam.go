package migrate

import (
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// FromLibpam reads a file ~/.google_authenticator of google-authenticator-libpam. ok is false where it says
// OTP_DISABLED: do not import it.
func FromLibpam(file string) (in gatehouse.Import, ok bool) {
	first, rest, _ := strings.Cut(file, "\n")
	phone := gatehouse.ImportAuthenticator{Name: "Phone"}
	phone.Secret, _, _ = totp.ParseImported(first)
	in = closing(gatehouse.Import{})
	options := map[string][]string{}
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		option, is := strings.CutPrefix(line, `"`)
		switch words := strings.Fields(option); {
		case len(words) == 0:
		case is:
			options[words[0]] = words[1:]
		default:
			in.RecoveryCodes = append(in.RecoveryCodes, recovery.ForeignCode(line)) // a scratch code of eight digits
		}
	}
	_, off := options["OTP_DISABLED"]
	_, timed := options["TOTP_AUTH"]
	_, counted := options["HOTP_COUNTER"]
	size := options["STEP_SIZE"]
	if !timed || counted { // codes by counter: without its secret it is left out
		phone.Secret = totp.Secret{}
	}
	if len(size) > 0 && size[0] != "30" {
		n, _ := strconv.Atoi(size[0])
		phone.Period = time.Duration(max(n, 1)) * time.Second // left out as well
	} else {
		phone.LastStep = lastStep(options["DISALLOW_REUSE"])
	}
	in.Authenticators = []gatehouse.ImportAuthenticator{phone}
	return in, !off
}

// lastStep returns the greatest of the steps whose codes were used, 0 if there is none.
func lastStep(used []string) (last int64) {
	for _, text := range used {
		if step, err := strconv.ParseInt(text, 10, 64); err == nil {
			last = max(last, step)
		}
	}
	return last
}
