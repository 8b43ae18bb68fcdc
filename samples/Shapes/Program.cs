using Shapes.Data;

if (args is ["--export", string folder, "--count", string count])
    CaptionedFolder.Write(folder, int.Parse(count), seed: 1);
