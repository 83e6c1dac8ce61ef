/* Written by rotary_truth.py: frequencies of transformers 5.24.0, heads of 16 channels. */
enum { TRUTH_COLUMNS = 16 };
static const struct {
    const char *scaling;
    double base, amplitude;
    unsigned positions;
    float frequencies[TRUTH_COLUMNS / 2];
} truths[] = {
    {"{\"rope_type\": \"linear\", \"factor\": 4.0}",
     10000.0,
     1.0,
     8192,
     {0.25f, 0.079056941f, 0.0250000004f, 0.00790569466f, 0.00249999994f, 0.000790569466f, 0.000250000012f,
      7.90569466e-05f}},
    {"{\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
     "\"original_max_position_embeddings\": 8192}",
     500000.0,
     1.0,
     131072,
     {1.0f, 0.193922758f, 0.0376060307f, 0.00729266508f, 0.000524846022f, 3.42810235e-05f, 6.64787058e-06f,
      1.28917316e-06f}},
    {"{\"rope_type\": \"llama3\", \"factor\": 32.0, \"low_freq_factor\": 1.5, \"high_freq_factor\": 6.0, "
     "\"original_max_position_embeddings\": 512}",
     10000.0,
     1.0,
     2048,
     {1.0f, 0.316227764f, 0.100000001f, 0.00831910223f, 0.000312499993f, 9.88211832e-05f, 3.12500015e-05f,
      9.88211832e-06f}},
    {"{\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 32768}",
     1000000.0,
     1.138629436111989,
     131072,
     {1.0f, 0.177827939f, 0.0316227786f, 0.00421755994f, 0.000500000024f, 4.44569851e-05f, 7.90569356e-06f,
      1.40585337e-06f}},
    {"{\"rope_type\": \"yarn\", \"factor\": 16.0, \"original_max_position_embeddings\": 256, \"beta_fast\": 8.0, "
     "\"beta_slow\": 0.5, \"truncate\": false, \"mscale\": 0.7, \"mscale_all_dim\": 1.3}",
     10000.0,
     0.8777191591153677,
     4096,
     {1.0f, 0.316227764f, 0.07718537f, 0.0120977769f, 0.000624999986f, 0.000197642366f, 6.2500003e-05f,
      1.97642366e-05f}},
    {"{\"rope_type\": \"yarn\", \"factor\": 2.0, \"original_max_position_embeddings\": 2048, \"attention_factor\": "
     "1.25}",
     10000.0,
     1.25,
     4096,
     {1.0f, 0.316227764f, 0.100000001f, 0.0276699308f, 0.00749999983f, 0.00197642366f, 0.000500000024f,
      0.000158113893f}},
    {"{\"rope_type\": \"longrope\", \"original_max_position_embeddings\": 4096, \"short_factor\": [1.0, 1.05, 1.1, "
     "1.15, 1.2, 1.25, 1.3, 1.35], \"long_factor\": [1.0, 8.5, 16.0, 23.5, 31.0, 38.5, 46.0, 53.5]}",
     10000.0,
     1.1902380714238083,
     131072,
     {1.0f, 0.301169306f, 0.0909090936f, 0.0274980683f, 0.00833333284f, 0.00252982229f, 0.00076923077f,
      0.000234242791f}},
};
