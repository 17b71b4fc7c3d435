package scoring

import "math"

// least returns the least standard error of the gap: that which the variation of
// single tests causes alone. The variation is that of the champion's tests of the
// same task, or of both models' tests of it if that is greater. If the models are
// equal, the candidate's tests vary as much, whatever they show so far.
//
// cycles is a number of the candidate's tests of each task, 0 for the number made.
// One right and one wrong answer to a task are added, so that only right answers
// are no proof that all will be (Agresti and Caffo 2000).
func (c comparison) least(w Composite, cycles float64) float64 {
	if len(c.pairs) == 0 {
		return 0
	}
	miss := 10 * w.Quality
	own := within{miss * miss / 2, 1}
	both, seconds := own, within{}
	var value, speed float64
	for _, p := range c.pairs {
		champion := p.champion.value
		champion.join(p.earlier.value)
		own.add(champion)
		asked, timed := p.candidate.value.count, p.candidate.seconds.count
		if cycles > 0 {
			asked, timed = cycles, cycles
		}
		value += 1/champion.count + 1/asked
		champion.join(p.candidate.value)
		both.add(champion)
		seconds.squares += p.championSeconds.squares
		seconds.freedom += p.championSeconds.freedom
		speed += 1/max(p.champion.seconds.count, 1) + 1/max(timed, 1)
	}
	if own.freedom == 1 {
		own = within{} // the champion was asked no task twice
	}
	weight := c.championSpeed.weight
	n := float64(len(c.pairs))
	variance := max(own.variance(), both.variance())*value + weight*weight*seconds.variance()*speed
	return math.Sqrt(variance) / n
}
