"""The nearest neighbours found so far, kept while more words are compared."""

from nce_train.compiled import cached_njit


@cached_njit(nogil=True, error_model="numpy", _nrt=False)
def keep_nearest(block, targets, first_place, own_places, rows, cosines):
    """Put what a block of cosines adds into the lists of nearest neighbours, the nearest first.

    Parameters
    ----------
    block : float32 [some targets, words]
        Cosines.
    targets : int64 [some targets]
        Whose cosines these are, as rows of the lists.
    first_place : int64
        Where the first of the block's words stands among all that are searched; the others follow it.
    own_places : int64 [targets]
        Where each target stands itself, for it is no neighbour of its own; -1 when it is not searched.
    rows : int32 [targets, k], changed
        Places of neighbours; of equally near ones those come first that were compared first.
    cosines : float32 [targets, k], changed
        Places that are still free have a cosine below -1.
    """
    last = rows.shape[1] - 1
    for t in range(len(targets)):
        target = targets[t]
        for w in range(block.shape[1]):
            cosine = block[t, w]
            if cosine <= cosines[target, last] or first_place + w == own_places[target]:
                continue
            place = last
            while place > 0 and cosines[target, place - 1] < cosine:
                cosines[target, place] = cosines[target, place - 1]
                rows[target, place] = rows[target, place - 1]
                place -= 1
            cosines[target, place] = cosine
            rows[target, place] = first_place + w
