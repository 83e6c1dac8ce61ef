# Writes c_text_NAME, a string, for each codegen/c/text/NAME.h.
# cmake -DOUT=file.c "-DFILES=a.h;..." -P embed.cmake
file(WRITE "${OUT}" "/* Made by codegen/c/embed.cmake. */\n#include \"codegen/c/text.h\"\n")
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME_WE)
  file(READ "${file}" content)
  string(REPLACE "\\" "\\\\" content "${content}")
  string(REPLACE "\"" "\\\"" content "${content}")
  string(REPLACE "\n" "\\n\"\n\"" content "${content}")
  file(APPEND "${OUT}" "const char c_text_${name}[] =\n\"${content}\";\n")
endforeach()
