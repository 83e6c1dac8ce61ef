/* lower-schedule: from the schedule to the stream, one to one. The schedule has every instruction, its queue, its place
 * in that queue's order and its buffers; the stream adds addresses, tokens and times, which the passes behind this one
 * compute. So nothing is left to decide here, and nothing moves: the ops are those of the instruction set already. */
#include "passes/pass_list.h"

bool pass_lower_schedule(pass_context *ctx, ir_module **module) {
    (void)ctx;
    (*module)->level = IR_STREAM;
    return true;
}
