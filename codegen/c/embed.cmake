# Writes PREFIX_NAME, a string, for each NAME.* of FILES.
# cmake -DOUT=file.c -DPREFIX=c_text -DHEADER=codegen/c/text.h "-DFILES=a.h;..." -P embed.cmake
file(WRITE "${OUT}" "/* Made by codegen/c/embed.cmake. */\n#include \"${HEADER}\"\n")
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME_WE)
  file(READ "${file}" content)
  string(REPLACE "\\" "\\\\" content "${content}")
  string(REPLACE "\"" "\\\"" content "${content}")
  string(REPLACE "\n" "\\n\"\n\"" content "${content}")
  file(APPEND "${OUT}" "const char ${PREFIX}_${name}[] =\n\"${content}\";\n")
endforeach()
