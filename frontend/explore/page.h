/* Style and script of the page of a search, embedded when dtqc is built. */
#ifndef DTQ_EXPLORE_PAGE_H
#define DTQ_EXPLORE_PAGE_H

extern const char page_style[], page_script[];

#endif
