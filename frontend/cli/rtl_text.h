/* The files of runtime/rtl/, which modules of hardware are made of. */
#ifndef DTQ_CLI_RTL_TEXT_H
#define DTQ_CLI_RTL_TEXT_H

/*   RTL_TEXT(NAME, "extension") */
#define RTL_TEXTS(RTL_TEXT)                                                                                            \
    RTL_TEXT(pe, "sv")                                                                                                 \
    RTL_TEXT(array_control, "sv")                                                                                      \
    RTL_TEXT(systolic_array, "sv")                                                                                     \
    RTL_TEXT(softmax_stage, "sv")                                                                                      \
    RTL_TEXT(softmax, "sv")                                                                                            \
    RTL_TEXT(importance, "sv")                                                                                         \
    RTL_TEXT(topk, "sv")                                                                                               \
    RTL_TEXT(rtl, "h")                                                                                                 \
    RTL_TEXT(driver, "cpp")                                                                                            \
    RTL_TEXT(build, "sh")

#define RTL_DECLARE(name, extension) extern const char rtl_text_##name[];
RTL_TEXTS(RTL_DECLARE)
#undef RTL_DECLARE

#endif
