package grade

// reach is the greatest distance of a denial before a mention, in tokens.
const reach = 6

var (
	denials = set("not never no non pas jamais aucun aucune neither nor cannot without except sauf sans ni nicht kein keine " +
		"isnt arent wasnt dont doesnt didnt cant wouldnt couldnt shouldnt")
	// turns are words that start a clause of their own.
	turns = set("but mais however rather instead because car donc so therefore cependant sino sondern")
	// opinions are words after which a denial holds for the next clause: "I
	// don't think it is 4".
	opinions = set("that que qu think believe say pense crois dis true vrai sure sur whether if si")
	verbs    = set("is was are were be can could would should does do did will must may might " +
		"est etait sont serait sera peut doit ca isn wasn couldn wouldn doesn don won can")
	faults = set("wrong incorrect false untrue impossible faux fausse incorrecte errone erronee")
)

// denied reports whether the answer denies said[first:next].
func denied(said []token, first, next int) bool {
	return deniedBefore(said, first) || deniedAfter(said, next)
}

// deniedBefore reports whether a denial stands before a place, in its clause.
func deniedBefore(said []token, first int) bool {
	if first < len(said) && said[first].after {
		return false
	}
	for at := first - 1; at >= 0 && at >= first-reach; at-- {
		t := said[at]
		if isDenial(said, at) {
			return true
		}
		if t.kind == word && turns[t.text] || t.after {
			return false
		}
		if at > 0 && restarts(t.text) && !opinions[said[at-1].text] && !isDenial(said, at-1) {
			return false // "not green it is blue"
		}
	}
	return false
}

// restarts reports whether a word starts another statement.
func restarts(text string) bool {
	return text == "it" || text == "its" || text == "this" || text == "ce" || text == "c"
}

// isDenial reports whether the word at a place denies. The "no" of "no doubt" and
// the "not" of "not only" do not.
func isDenial(said []token, at int) bool {
	if said[at].kind != word {
		return false
	}
	text := said[at].text
	// isn't, can't: cut at the apostrophe, where the n stays with the verb.
	if text == "t" && at > 0 {
		before := said[at-1].text
		return len(before) > 1 && (before[len(before)-1] == 'n')
	}
	// n'est plus: without the n it means "more".
	if text == "plus" {
		for back := at - 1; back >= 0 && back >= at-2; back-- {
			if said[back].text == "n" || said[back].text == "ne" {
				return true
			}
		}
	}
	if !denials[text] {
		return false
	}
	if at+1 < len(said) {
		switch said[at+1].text {
		case "doubt", "doute", "only", "seulement", "uniquement", "just", "problem", "probleme":
			return false
		}
	}
	return true
}

// deniedAfter reports whether a denial follows, as in "4 is wrong".
func deniedAfter(said []token, next int) bool {
	at := next
	for ; at < len(said) && at < next+3; at++ {
		t := said[at]
		switch {
		case t.after && at == next:
			return false
		case isDenial(said, at):
			return at > next // "4 not 5" denies the 5
		case faults[t.text]:
			return at > next
		case verbs[t.text] || t.text == "n" || t.text == "ne":
		default:
			return false
		}
	}
	return false
}
