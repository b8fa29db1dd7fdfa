package securitypage

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse"
)

// Theme gives the page the look of a service, in light and dark. The zero Theme is ours. For more than this there is
// "page.css" in Config.Files.
type Theme struct {
	// Accent is the color of the main button and of links, as "#rrggbb". Text on it is black or white, whichever is easier
	// to read, and links are made darker, or lighter where the page is dark, until they can be read. Defaults to a blue.
	Accent string

	// Radius is that of the corners of a card: "0", or up to "32px". Controls have two thirds of it. Defaults to "12px".
	Radius string

	// Font is a list of font families, with commas in between: "Inter, Georgia, serif". The page loads none, so they must be
	// on the reader's machine, or be loaded by "page.css" in Config.Files, from this service. Defaults to that of the system.
	Font string

	// Logo is a picture in place of the shield beside the service's name, 28 px high: a path or an https URL, whose host
	// the Content-Security-Policy then allows pictures of. Defaults to none.
	Logo string

	// Favicon is the icon of the browser's tab, like Logo. Defaults to none.
	Favicon string
}

var (
	colorSyntax  = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	radiusSyntax = regexp.MustCompile(`^(0|([1-9]|[12][0-9]|3[0-2])px)$`)
	fontSyntax   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 -]{0,63}$`)
	// genericFonts are words of CSS; every other name is one of a font.
	genericFonts = []string{"serif", "sans-serif", "monospace", "cursive", "system-ui", "ui-serif", "ui-sans-serif", "ui-monospace", "ui-rounded"}
)

// sheet returns the style sheet of a theme, empty for ours, or gatehouse.ErrInvalid. Nothing is in it that was not taken
// apart first: what a theme says cannot end a rule, nor load anything.
func (t Theme) sheet() (string, error) {
	var rules []string
	if t.Accent != "" {
		if !colorSyntax.MatchString(t.Accent) {
			return "", fmt.Errorf("%w: Theme.Accent is a color like #3553cf", gatehouse.ErrInvalid)
		}
		light := parseColor(t.Accent)
		link, dark := light.until(readable, lightGround, color{}), light.until(readable, darkGround, color{255, 255, 255})
		rules = append(rules, pair("accent", light, dark), pair("on-accent", light.ink(), dark.ink()), pair("link", link, dark))
	}
	if t.Radius != "" {
		if !radiusSyntax.MatchString(t.Radius) {
			return "", fmt.Errorf("%w: Theme.Radius is 0 or up to 32px", gatehouse.ErrInvalid)
		}
		rules = append(rules, "--radius: "+t.Radius)
	}
	if t.Font != "" {
		families := strings.Split(t.Font, ",")
		for i, name := range families {
			name = strings.TrimSpace(name)
			if !fontSyntax.MatchString(name) {
				return "", fmt.Errorf("%w: Theme.Font is a list of names with commas in between", gatehouse.ErrInvalid)
			}
			if !slices.Contains(genericFonts, name) {
				name = `"` + name + `"`
			}
			families[i] = name
		}
		rules = append(rules, "--font: "+strings.Join(families, ", "))
	}
	for _, picture := range []string{t.Logo, t.Favicon} {
		if picture != "" && !isLink(picture) {
			return "", fmt.Errorf("%w: a picture of a Theme is a path or an https URL", gatehouse.ErrInvalid)
		}
	}
	if len(rules) == 0 {
		return "", nil
	}
	return ":root { " + strings.Join(rules, "; ") + "; }\n", nil
}

func pair(name string, light, dark color) string {
	return fmt.Sprintf("--%s: light-dark(%s, %s)", name, light, dark)
}

// color is one of sRGB.
type color [3]uint8

var (
	lightGround = color{0xff, 0xff, 0xff} // --card of page.css
	darkGround  = color{0x1b, 0x1a, 0x18}
)

// readable is the contrast of links with a card. It leaves 4.5:1 (WCAG 2.2, 1.4.3) where the ground is tinted.
const readable = 5.5

func parseColor(s string) (c color) {
	v, _ := strconv.ParseUint(s[1:], 16, 32) // the syntax was checked
	return color{uint8(v >> 16), uint8(v >> 8), uint8(v)}
}

func (c color) String() string { return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]) }

// luminance is that of WCAG 2.2.
func (c color) luminance() float64 {
	var l float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := float64(c[i]) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		l += weight * v
	}
	return l
}

// contrast is that of WCAG 2.2, from 1 to 21.
func (c color) contrast(with color) float64 {
	a, b := c.luminance(), with.luminance()
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

// ink is the color of text on c: its contrast is 4.58 at least.
func (c color) ink() color {
	black, white := color{}, color{255, 255, 255}
	if cmp.Less(c.contrast(black), c.contrast(white)) {
		return white
	}
	return black
}

// until mixes c with an end, as little as it takes for a contrast with a ground.
func (c color) until(contrast float64, ground, end color) color {
	mixed := c
	for part := 1; mixed.contrast(ground) < contrast && part <= 100; part++ {
		for i := range mixed {
			mixed[i] = uint8((int(c[i])*(100-part) + int(end[i])*part) / 100)
		}
	}
	return mixed
}
