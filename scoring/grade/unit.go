package grade

import "strings"

// notUnits are words that may follow a number and are no units.
var notUnits = set("is was are and or not but so because which that as in of to for by with from at the a an since if on " +
	"est et ou pas mais donc car qui que en de du des pour par avec dans le la les un une ce soit if x")

// measure is a unit: its quantity, and its size in the quantity's base unit.
type measure struct {
	quantity string
	factor   float64
}

func measures(quantity string, factor float64, names string, into map[string]measure) {
	for _, name := range strings.Fields(names) {
		into[name] = measure{quantity, factor}
	}
}

// knownUnits maps names to units; names of one or two letters in their case only.
var knownUnits = func() map[string]measure {
	all := map[string]measure{}
	add := func(quantity string, factor float64, names string) { measures(quantity, factor, names, all) }
	add("time", 1e-9, "ns nanosecond nanoseconds nanoseconde nanosecondes")
	add("time", 1e-6, "us µs μs microsecond microseconds microseconde microsecondes")
	add("time", 1e-3, "ms millisecond milliseconds milliseconde millisecondes")
	add("time", 1, "s sec secs second seconds seconde secondes")
	add("time", 60, "min mins mn minute minutes")
	add("time", 3600, "h hr hrs hour hours heure heures")
	add("time", 86400, "d day days j jour jours")
	add("data", 1, "B byte bytes o octet octets")
	add("data", 1e3, "KB kB kb ko Ko kilobyte kilobytes")
	add("data", 1e6, "MB Mo megabyte megabytes mo")
	add("data", 1e9, "GB Go gigabyte gigabytes go")
	add("data", 1e12, "TB To terabyte terabytes")
	add("data", 1<<10, "KiB kib Kio")
	add("data", 1<<20, "MiB mib Mio")
	add("data", 1<<30, "GiB gib Gio")
	add("data", 1<<40, "TiB tib Tio")
	add("mass", 1e-3, "mg")
	add("mass", 1, "g gram grams gramme grammes")
	add("mass", 1e3, "kg kilo kilos kilogram kilograms kilogramme kilogrammes")
	add("mass", 1e6, "t tonne tonnes")
	add("length", 1e-3, "mm millimeter millimeters millimetre millimetres")
	add("length", 1e-2, "cm centimeter centimeters centimetre centimetres")
	add("length", 1, "m meter meters metre metres")
	add("length", 1e3, "km kilometer kilometers kilometre kilometres")
	add("frequency", 1, "Hz hz hertz")
	add("frequency", 1e3, "kHz khz KHz kilohertz")
	add("frequency", 1e6, "MHz mhz megahertz")
	add("frequency", 1e9, "GHz ghz gigahertz")
	add("euro", 1, "€ EUR eur euro euros")
	add("dollar", 1, "$ USD usd dollar dollars")
	add("pound", 1, "£ GBP gbp")
	add("pixels", 1, "px pixel pixels")
	add("share", 1, "% percent pourcent pct")
	return all
}()

// convert returns the factor from one unit to another; ok is false where they
// measure different quantities.
func convert(from, to string) (factor float64, ok bool) {
	if from == to {
		return 1, true
	}
	a, okA := unitNamed(from)
	b, okB := unitNamed(to)
	if okA && okB {
		return a.factor / b.factor, a.quantity == b.quantity
	}
	return 1, !okA && !okB && sameWord(from, to)
}

// sameWord compares words without case, accents and plural s.
func sameWord(a, b string) bool {
	fold := func(text string) string { return strings.TrimSuffix(asciiLower(letters(text)), "s") }
	return fold(a) == fold(b)
}

func unitNamed(name string) (measure, bool) {
	if m, ok := knownUnits[name]; ok {
		return m, true
	}
	m, ok := knownUnits[strings.ToLower(name)]
	return m, ok && len(name) > 2
}
