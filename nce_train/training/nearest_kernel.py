"""The nearest neighbours found so far, kept while more words are compared."""

from nce_train.compiled import cached_njit


@cached_njit(nogil=True, error_model="numpy", _nrt=False)
def keep_nearest(cosines_of_block, targets, places, own_places, rows, cosines):
    """Put what a block of cosines adds into the lists of nearest neighbours, the nearest first.

    Parameters
    ----------
    cosines_of_block : float32 [some targets, words]
    targets : int64 [some targets]
        Whose cosines these are, as rows of the lists.
    places : int64
        The first of the block's words, which follow each other.
    own_places : int64 [targets]
        The word that is a target itself and no neighbour of its own.
    rows : int32 [targets, k], changed
        Words; of equally near ones those come first that were compared first.
    cosines : float32 [targets, k], changed
        Places that are still free have a cosine below -1.
    """
    last = rows.shape[1] - 1
    for t in range(len(targets)):
        target = targets[t]
        for w in range(cosines_of_block.shape[1]):
            cosine = cosines_of_block[t, w]
            if cosine <= cosines[target, last] or places + w == own_places[target]:
                continue
            place = last
            while place > 0 and cosines[target, place - 1] < cosine:
                cosines[target, place] = cosines[target, place - 1]
                rows[target, place] = rows[target, place - 1]
                place -= 1
            cosines[target, place] = cosine
            rows[target, place] = places + w
