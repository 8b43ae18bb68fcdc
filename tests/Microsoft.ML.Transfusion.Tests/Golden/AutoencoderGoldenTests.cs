// Autoencoders against diffusers and taming-transformers: latents, pictures, losses and gradients.
using Microsoft.ML.Transfusion.Modeling;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed class AutoencoderGoldenTests : IDisposable
{
    private const double Tolerance = 2e-5;
    private const double DivergenceWeight = 0.01;            // in the recorded loss
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableTheory]
    [InlineData("kl_vae_2block")]
    [InlineData(GoldenFile.Second + "kl_vae_2block")]
    [InlineData("kl_vae_4block")]
    [InlineData(GoldenFile.Second + "kl_vae_4block")]
    public void Kl_autoencoder(string name)
    {
        GoldenFile weights = GoldenFile.Open($"{name}_weights"), io = GoldenFile.Open($"{name}_io");
        using var network = new KlAutoencoderNetwork(Shape(weights));
        UNetBlocksGoldenTests.Load(network, weights.Tensors, prefix: "");

        DiagonalGaussian posterior = network.Encode(io["x"]);
        Tensor latents = posterior.Sample(io["noise"]), decoded = network.Decode(latents), divergence = posterior.Divergence();
        io.Check("mean", posterior.Mean, Tolerance);
        io.Check("logvar", posterior.LogVariance, Tolerance);
        io.Check("z", latents, Tolerance);
        io.Check("decoded", decoded, Tolerance);
        io.Check("decode_out", network.Decode(io["decode_in"]), Tolerance);
        io.Check("kl_per_image", io["kl_per_image"], divergence, Tolerance * io["kl_per_image"].abs().max().ToSingle());

        Tensor loss = (decoded - io["x"]).square().mean() + DivergenceWeight * divergence.mean();
        io.Check("loss", io["loss"].ToSingle(), loss.ToSingle(), Tolerance, relative: true);
        loss.backward();
        foreach ((string parameter, Parameter weight) in network.named_parameters())
        {
            double expected = io[$"gradnorm.{parameter}"].ToSingle();
            io.Check("norms of the weights' gradients", expected, weight.grad!.norm().ToSingle(), Tolerance * Math.Max(1, expected));
            if (io.Tensors.ContainsKey($"grad.{parameter}"))
                io.Check($"grad.{parameter}", weight.grad!, Tolerance);
        }
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData(GoldenFile.Second)]
    public void Vq_autoencoder(string set)
    {
        GoldenFile weights = GoldenFile.Open(set + "vq_model_weights"), io = GoldenFile.Open(set + "vq_model_io");
        using var network = new VqAutoencoderNetwork(Shape(weights), Int(weights, "num_vq_embeddings"), Int(weights, "vq_embed_dim"), weighsCodebook: true);     // its recorded gradients say so, whatever its note says
        UNetBlocksGoldenTests.Load(network, weights.Tensors, prefix: "");

        io.Check("latents", network.Encode(io["x"]), Tolerance);
        Tensor latents = io["latents"].clone().requires_grad_();
        QuantizedLatents quantized = network.Quantize(latents);
        io.CheckEqual("indices", io["indices"].to(ScalarType.Int64).data<long>(), quantized.Indices.data<long>());
        io.Check("quantized", quantized.Quantized, Tolerance);
        io.Check("loss", io["loss"].ToSingle(), quantized.Loss.ToSingle(), Tolerance, relative: true);
        io.Check("codebook_entry", network.Lookup(quantized.Indices, latents.shape[2], latents.shape[3]), Tolerance);
        io.Check("decoded", network.Decode(quantized.Quantized), Tolerance);
        ((quantized.Quantized * io["upstream"]).sum() + quantized.Loss).backward();
        io.Check("grad_latents", latents.grad!, Tolerance);
        io.Check("grad_codebook", network.get_parameter("quantize.embedding.weight")!.grad!, Tolerance);
    }

    [SkippableTheory]
    [InlineData("vq_taming_legacy_false")]
    [InlineData(GoldenFile.Second + "vq_taming_legacy_false")]
    [InlineData("vq_taming_legacy_true")]
    [InlineData(GoldenFile.Second + "vq_taming_legacy_true")]
    public void Quantizer_of_taming_transformers(string name)
    {
        GoldenFile golden = GoldenFile.Open(name);
        using var quantizer = new VectorQuantizer(Int(golden, "n_e"), Int(golden, "e_dim"), golden.Config.GetProperty("beta").GetDouble(), golden.Config.GetProperty("legacy").GetBoolean());
        using (no_grad())
            quantizer.get_parameter("embedding.weight")!.copy_(golden["codebook"]);

        Tensor latents = golden["z"].clone().requires_grad_();
        QuantizedLatents quantized = quantizer.Forward(latents);
        golden.CheckEqual("indices", golden["indices"].to(ScalarType.Int64).data<long>(), quantized.Indices.data<long>());
        golden.Check("quantized", quantized.Quantized, Tolerance);
        golden.Check("loss", golden["loss"].ToSingle(), quantized.Loss.ToSingle(), Tolerance, relative: true);
        golden.Check("codebook_entry", quantizer.Lookup(quantized.Indices, latents.shape[2], latents.shape[3]), Tolerance);
        ((quantized.Quantized * golden["upstream"]).sum() + quantized.Loss).backward();
        golden.Check("grad_z", latents.grad!, Tolerance);
        golden.Check("grad_codebook", quantizer.get_parameter("embedding.weight")!.grad!, Tolerance);
    }

    private static AutoencoderShape Shape(GoldenFile golden) => new(
        [.. golden.Config.GetProperty("block_out_channels").EnumerateArray().Select(element => element.GetInt32())],
        Int(golden, "layers_per_block"), Int(golden, "latent_channels"), Int(golden, "norm_num_groups"), Int(golden, "in_channels"));

    private static int Int(GoldenFile golden, string name) => golden.Config.GetProperty(name).GetInt32();
}
